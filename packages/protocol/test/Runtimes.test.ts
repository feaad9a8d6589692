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
const generated = Wire.readerUnsafe(Backend.DataRow, "generated")(row, 0, row.length)
const toJson = Schema.encodeSync(Schema.toCodecJson(Backend.Message))
console.log(JSON.stringify([Wire.defaultCodegen, parsed, toJson(columns), toJson(generated)]))
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

describe("Package runtimes", () => {
  const values = [
    { _tag: "Parse", name: "", query: "select $1", parameterTypes: [23] },
    { _tag: "DataRow", columns: ["AQ==", null] },
    { _tag: "DataRow", columns: ["AQ==", null] }
  ]

  it("works without configuration where code generation is forbidden", () => {
    assert.deepStrictEqual(run("--disallow-code-generation-from-strings"), ["interpreted", ...values])
    assert.deepStrictEqual(run(), ["generated", ...values])
  })

  it("can be bundled for browsers without any module of Node", async () => {
    // The bundler that the test runner includes.
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
    // None of this package's code mentions Node; Effect looks up Node features at run time and works without them.
    const own = Object.entries(chunk.modules as Record<string, { readonly code: string | null }>)
      .filter(([id]) => id.includes("packages/protocol/src/"))
    assert.isAbove(own.length, 50)
    for (const [id, { code }] of own) {
      assert.notMatch((code ?? "").replaceAll(/\/\*.*?\*\//gs, ""), /node:|require\(|\bprocess\./, id)
    }
    // The bundle is the package, and works with browser APIs only, both where a page forbids code generation and where
    // it does not.
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
        JSON.stringify([typeof process, typeof Buffer, typeof require, Wire.defaultCodegen, message.query, [...ready]])`,
        context
      )
      assert.deepStrictEqual(JSON.parse(String(result)), [
        "undefined",
        "undefined",
        "undefined",
        strings ? "generated" : "interpreted",
        "select 'é€' -- and a text that is not short",
        [0x5a, 0, 0, 0, 5, 0x49]
      ])
    }
  }, 60_000)
})
