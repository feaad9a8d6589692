import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { createRequire } from "node:module"
import { createContext, runInContext } from "node:vm"

const script = `
import { Backend, Frontend, Wire } from "@hyperfect/protocol"
import { Schema } from "effect"

const frame = Frontend.encodeUnsafe(Frontend.Parse.make({ name: "", query: "select $1", parameterTypes: [23] }))
const parsed = Schema.decodeSync(Frontend.codec)(frame)
const row = Backend.encodeUnsafe({ _tag: "DataRow", columns: [Uint8Array.of(1), null] })
const columns = Backend.readerUnsafe()(row, 0, row.length)
let refused = ""
try {
  Wire.readerUnsafe(Backend.DataRow, "generated")(row, 0, row.length)
} catch (error) {
  refused = error.name
}
console.log(JSON.stringify([Wire.defaultBackEnd, parsed, Schema.encodeSync(Schema.toCodecJson(Backend.Message))(columns), refused]))
`

const run = (...flags: ReadonlyArray<string>): unknown =>
  JSON.parse(
    execFileSync(process.execPath, [
      "--conditions=@hyperfect/source",
      ...flags,
      "--input-type=module",
      "--eval",
      script
    ], {
      cwd: import.meta.dirname,
      encoding: "utf8"
    })
  )

describe("the package", () => {
  const values = [
    { _tag: "Parse", name: "", query: "select $1", parameterTypes: [23] },
    { _tag: "DataRow", columns: ["AQ==", null] }
  ]

  it("works where code may not be made from strings, without being told", () => {
    assert.deepStrictEqual(run("--disallow-code-generation-from-strings"), ["closures", ...values, "EvalError"])
    assert.deepStrictEqual(run(), ["generated", ...values, ""])
  })

  it("goes into a bundle for the browser, and takes nothing of Node with it", async () => {
    // The bundler that the test runner brings along.
    const vitest = createRequire(createRequire(import.meta.url).resolve("vitest/package.json"))
    const { rolldown } = await import(createRequire(vitest.resolve("vite/package.json")).resolve("rolldown"))
    const entry = "browser-entry"
    const bundle = await rolldown({
      input: entry,
      platform: "browser",
      resolve: { conditionNames: ["@hyperfect/source", "browser", "import", "default"] },
      logLevel: "silent",
      plugins: [{
        name: entry,
        resolveId: (id: string) => id === entry ? `${import.meta.dirname}/${entry}.ts` : undefined,
        load: (id: string) => id.endsWith(`${entry}.ts`) ? "export * from \"@hyperfect/protocol\"" : undefined
      }]
    })
    const { output } = await bundle.generate({ format: "iife", name: "protocol" })
    await bundle.close()
    const [chunk] = output
    assert.deepStrictEqual(chunk.imports, [])
    assert.deepStrictEqual(chunk.dynamicImports, [])
    // Nothing of ours so much as mentions Node; what Effect looks up while it runs, it does without where it is not.
    const own = Object.entries(chunk.modules as Record<string, { readonly code: string | null }>)
      .filter(([id]) => id.includes("packages/protocol/src/"))
    assert.isAbove(own.length, 50)
    for (const [id, { code }] of own) {
      assert.notMatch((code ?? "").replaceAll(/\/\*.*?\*\//gs, ""), /node:|require\(|\bprocess\./, id)
    }
    // What was bundled is the package, and it works with what browsers have and nothing else, where a page forbids code
    // from strings and where it does not.
    for (const strings of [true, false]) {
      const context = createContext({ TextEncoder, TextDecoder, URL, AbortController, setTimeout, clearTimeout }, {
        codeGeneration: { strings, wasm: false }
      })
      runInContext(chunk.code, context)
      const result: unknown = runInContext(
        `const { Backend, Frontend, Utf8, Wire } = protocol
        const frame = Frontend.encodeUnsafe({ _tag: "Query", query: "select 'é€' -- and a text that is not short" })
        const message = Frontend.readerUnsafe("password")(frame, 0, frame.length)
        const ready = Backend.encodeUnsafe({ _tag: "ReadyForQuery", status: "I" })
        JSON.stringify([typeof process, typeof Buffer, typeof require, Wire.defaultBackEnd, message.query, [...ready]])`,
        context
      )
      assert.deepStrictEqual(JSON.parse(String(result)), [
        "undefined",
        "undefined",
        "undefined",
        strings ? "generated" : "closures",
        "select 'é€' -- and a text that is not short",
        [0x5a, 0, 0, 0, 5, 0x49]
      ])
    }
  }, 60_000)
})
