import { assert, describe, it } from "@effect/vitest"
import { surfaceViolations, unusedExports } from "../surface.ts"

/** A package with one module of two constants, one more in a part of it, and a user of both. */
const tree = (user: string, path = "packages/client/test/use.ts") =>
  new Map([
    ["packages/values/src/index.ts", `export * as Range from "./Range.ts"\n`],
    [
      "packages/values/src/Range.ts",
      [
        `import { limit } from "./internal/limit.ts"`,
        `export * from "./types/ranges.ts"`,
        `export { limit } from "./internal/limit.ts"`,
        `/** Empty. */`,
        `export const empty = 0`,
        `/**\n * Half.\n *\n * @internal\n */`,
        `export const half = empty`,
        `export interface Range {}\n`
      ].join("\n")
    ],
    ["packages/values/src/types/ranges.ts", `export const daterange = 1\n`],
    ["packages/values/src/internal/limit.ts", `export const limit = 2\n`],
    [path, user]
  ])

describe("unusedExports", () => {
  it("finds the public values that are used nowhere outside their package, by the modules that declare them", () => {
    assert.deepStrictEqual(unusedExports(tree("")), [
      "values/types/ranges.daterange",
      "values/Range.limit",
      "values/Range.empty"
    ])
  })

  it.each([
    `import * as Range from "@hyperfect/values/Range"\nRange.empty`,
    `import { Range as R } from "@hyperfect/values"\nR\n  .empty`,
    `import { empty } from "@hyperfect/values/Range"\nempty`,
    `import { Range } from "@hyperfect/values"\nconst { empty, daterange: d } = Range\n`
  ])("understands the import %s", (text) => {
    assert.notInclude(unusedExports(tree(text)), "values/Range.empty")
  })

  it("counts the use of a name through a module that re-exports it", () => {
    const used = unusedExports(tree(`import { Range } from "@hyperfect/values"\nRange.daterange + Range.limit`))
    assert.deepStrictEqual(used, ["values/Range.empty"])
  })

  it("counts pages and tests, but not comments or sources of the same package", () => {
    const text = `import { empty } from "./Range.ts"\nempty`
    assert.include(unusedExports(tree(text, "packages/values/src/internal/use.ts")), "values/Range.empty")
    const example = `/** import { empty } from "@hyperfect/values/Range" */`
    assert.include(unusedExports(tree(example, "packages/client/src/use.ts")), "values/Range.empty")
    const page = "import { empty } from \"@hyperfect/values/Range\""
    assert.notInclude(unusedExports(tree(page, "README.md")), "values/Range.empty")
  })
})

describe("surfaceViolations", () => {
  it("wants a reason for each unused name, and an unused name for each reason", () => {
    const reasons = [[/^values\/types\//, "a type"], [/\.gone$/, "old"], [/\.limit$/, "a limit"]] as const
    assert.deepStrictEqual(surfaceViolations(tree(""), reasons), [
      "values/Range.empty: used by no other package, test, example or page: remove it, or mark it @internal",
      "packages/tooling/surface.ts: no unused name is like /\\.gone$/"
    ])
  })
})
