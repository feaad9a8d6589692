import { assert, describe, it } from "@effect/vitest"
import { fromMarkdown, fromModule } from "../fences.ts"

const lines = (...all: ReadonlyArray<string>): string => all.join("\n")

describe("fences", () => {
  it("takes the TypeScript fences of a Markdown file, with their lines, and no others", () => {
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

  it("takes the fences of doc comments without their stars, and none from code", () => {
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

  it("refuses a fence that is never closed", () => {
    assert.throws(() => fromMarkdown(lines("```ts", "a()")), /line 2 is never closed/)
    assert.throws(() => fromModule(lines("/**", " * ```ts", " * a()", " */", "b()")), /line 3 is never closed/)
  })
})
