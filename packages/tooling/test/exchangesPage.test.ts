import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { render } from "../exchangesPage.ts"

describe("exchangesPage", () => {
  it("matches the table (to update it, run npm run generate)", () => {
    assert.strictEqual(readFileSync(new URL("../../docs/exchanges.md", import.meta.url), "utf8"), render())
  })

  it("has an arrow with its messages for each pair of states", () => {
    assert.include(render(), "  Binding --> Describing: BindComplete\n")
  })
})
