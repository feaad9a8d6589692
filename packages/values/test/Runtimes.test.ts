import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { run } from "./compiledForms.ts"

/** Runs everything in a process that starts to refuse source text while or after modules load. */
const runRefusing = (when: "from the start" | "after loading"): { readonly attempts: number; readonly found: string } =>
  JSON.parse(
    execFileSync(process.execPath, [
      "--conditions=@hyperfect/source",
      "--input-type=module",
      "--eval",
      `
let attempts = 0
const refuse = () => {
  globalThis.Function = class {
    constructor() {
      attempts++
      throw new EvalError("refused")
    }
  }
}
if (${when === "from the start"}) refuse()
const { run } = await import("./compiledForms.ts")
const before = attempts
if (${when === "after loading"}) refuse()
console.log(JSON.stringify({ found: run(), attempts: attempts - before }))
`
    ], { cwd: import.meta.dirname, encoding: "utf8" })
  )

describe("generated code", () => {
  it("is never tried where modules could not generate any", () => {
    assert.deepStrictEqual(runRefusing("from the start"), { found: run(), attempts: 0 })
  })

  it("is tried once where the runtime refuses it after modules have loaded", () => {
    assert.deepStrictEqual(runRefusing("after loading"), { found: run(), attempts: 1 })
  })
})
