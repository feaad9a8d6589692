import { assert, describe, it } from "@effect/vitest"
import { fromMarkdown, fromModule } from "../codeFences.ts"

const lines = (...all: ReadonlyArray<string>): string => all.join("\n")

describe("codeFences", () => {
  it("finds the TypeScript fences of a Markdown file with their line numbers, and no others", () => {
    const text = lines(
      "# Title",
      "```sh",
      "npm ci",
      "```",
      "```ts",
      "const a = `x`",
      "",
      "assert(a)",
      "```",
      "text",
      "```typescript title",
      "b()",
      "```",
      "```",
      "c",
      "```"
    )
    assert.deepStrictEqual(fromMarkdown(text), [
      { line: 6, text: lines("const a = `x`", "", "assert(a)") },
      { line: 12, text: "b()" }
    ])
  })

  it("finds the fences of doc comments without their stars, and none in code", () => {
    const text = lines(
      "/**",
      " * Sentence.",
      " *",
      " * ```ts",
      " * if (a) {",
      " *   b()",
      " * }",
      " * ```",
      " */",
      "export const markdown = `",
      "```ts",
      "c()",
      "```",
      "`",
      "  /**",
      "   * ```ts",
      "   * d()",
      "   * ```",
      "   */"
    )
    assert.deepStrictEqual(fromModule(text), [
      { line: 5, text: lines("if (a) {", "  b()", "}") },
      { line: 17, text: "d()" }
    ])
  })

  it("rejects an unclosed fence", () => {
    assert.throws(() => fromMarkdown(lines("```ts", "a()")), /line 2 is never closed/)
    assert.throws(() => fromModule(lines("/**", " * ```ts", " * a()", " */", "b()")), /line 3 is never closed/)
  })
})
