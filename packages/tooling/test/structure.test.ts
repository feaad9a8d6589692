import { assert, describe, it } from "@effect/vitest"
import { folderLimit, importsOf, longModule, longModules, type rooms, violations } from "../structure.ts"

const manifest = (name: string, extra: object = {}) =>
  JSON.stringify({ name: `@hyperfect/${name}`, version: "0.0.0", peerDependencies: { effect: "^4.1.0" }, ...extra })

const onProtocol = { dependencies: { "@hyperfect/protocol": "0.0.0" } }

/** A repository of three packages that breaks no rule. */
const house: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({ devDependencies: { effect: "4.1.0", vitest: "5.1.1" } }),
  "tsconfig.json": JSON.stringify({
    references: ["protocol", "transport", "tooling"].map((name) => ({ path: `packages/${name}` }))
  }),
  "packages/tsconfig.build.json": JSON.stringify({
    references: ["protocol", "transport"].map((name) => ({ path: `${name}/tsconfig.src.json` }))
  }),
  "packages/protocol/package.json": manifest("protocol"),
  "packages/protocol/tsconfig.src.json": "{}",
  "packages/protocol/src/index.ts": `export * as Backend from "./Backend.ts"\nexport * as Frame from "./Frame.ts"\n`,
  "packages/protocol/src/Backend.ts": `import * as Frame from "./Frame.ts"\n`,
  "packages/protocol/src/Frame.ts": `import * as Effect from "effect/Effect"\n`,
  "packages/protocol/test/Frame.test.ts": `import { it } from "vitest"\nimport { readFileSync } from "node:fs"\n`,
  "packages/transport/package.json": manifest("transport", onProtocol),
  "packages/transport/tsconfig.src.json": JSON.stringify({ references: [{ path: "../protocol/tsconfig.src.json" }] }),
  "packages/transport/src/index.ts": `export * as Transport from "./Transport.ts"\n`,
  "packages/transport/src/Transport.ts":
    `import type * as Effect from "effect/Effect"\nimport * as Frame from "@hyperfect/protocol/Frame"\n`,
  "packages/tooling/package.json": JSON.stringify({ name: "@hyperfect/tooling", private: true }),
  "packages/tooling/check.ts": `import { join } from "node:path"\nimport { connect } from "cloudflare:sockets"\n`
}

const withFiles = (changes: Readonly<Record<string, string>>) => new Map(Object.entries({ ...house, ...changes }))

/** Asserts that exactly these rules are broken. */
const assertBroken = (changes: Readonly<Record<string, string>>, ...wanted: ReadonlyArray<string>) =>
  assert.deepStrictEqual(violations(withFiles(changes)), wanted)

describe("structure", () => {
  it("accepts a valid repository", () => {
    assert.deepStrictEqual(violations(withFiles({})), [])
  })

  it("finds every form of import with its line, and none in comments", () => {
    const text = [
      `import "node:fs"`,
      `import * as A from "a"`,
      `import type { B } from "@s/b/c"`,
      `import {`,
      `  type C,`,
      `  d`,
      `} from "./d.ts"`,
      `/**`,
      ` * import * as E from "e"`,
      ` * const f = await import("f")`,
      ` */`,
      `export * as G from "./G.ts"`,
      `export const taken = 1 // from "h"`,
      `export type I = import("i").I`,
      `export { j } from "j"`,
      `const k = await import("k")`
    ].join("\n")
    assert.deepStrictEqual(
      importsOf(text).map(({ line, specifier }) => `${line} ${specifier}`),
      ["1 node:fs", "2 a", "3 @s/b/c", "4 ./d.ts", "12 ./G.ts", "15 j", "14 i", "16 k"]
    )
  })

  it("rejects the evaluation of source text outside the code generator", () => {
    const evaluating =
      "import * as Effect from \"effect/Effect\"\n// new Function(a)\nexport const f = new Function(a)\n"
    assertBroken(
      {
        "packages/protocol/src/Frame.ts": evaluating,
        "packages/protocol/src/internal/codegen.ts": evaluating,
        "packages/transport/src/internal/any.ts": "const a = callFunction(b)\nconst c = eval(d)\n"
      },
      "packages/protocol/src/Frame.ts:3: only packages/protocol/src/internal/codegen.ts may evaluate source text",
      "packages/transport/src/internal/any.ts:2: only packages/protocol/src/internal/codegen.ts may evaluate source text"
    )
  })

  it("rejects an import from a higher layer", () =>
    assertBroken(
      {
        "packages/transport/src/Transport.ts":
          `import * as E from "effect/Effect"\nimport "@hyperfect/protocol/Frame"\n`,
        "packages/protocol/src/Frame.ts":
          `import * as E from "effect/Effect"\nimport "@hyperfect/transport/Endpoint"\n`,
        "packages/transport/src/Endpoint.ts": "",
        "packages/transport/src/index.ts":
          `export * as Endpoint from "./Endpoint.ts"\nexport * as Transport from "./Transport.ts"\n`
      },
      "packages/protocol/src/Frame.ts:2: protocol may not import transport: imports only point down"
    ))

  it("rejects a platform module outside of the platform package, with and without its prefix", () => {
    for (const specifier of ["node:net", "net", "node:fs/promises"]) {
      assertBroken(
        { "packages/protocol/src/Backend.ts": `import * as Net from "${specifier}"\n` },
        `packages/protocol/src/Backend.ts:1: only packages/node may import "${specifier}"`
      )
    }
    assertBroken(
      { "packages/protocol/src/Backend.ts": `import * as P from "@effect/platform-node/NodeSocket"\n` },
      `packages/protocol/src/Backend.ts:1: only packages/node may import "@effect/platform-node/NodeSocket"`
    )
  })

  it("rejects an import cycle inside a package, including type-only imports", () =>
    assertBroken(
      {
        "packages/protocol/src/Frame.ts":
          `import * as Effect from "effect/Effect"\nimport type { Message } from "./Backend.ts"\n`
      },
      "packages/protocol/src/Backend.ts: circular import: packages/protocol/src/Backend.ts -> " +
        "packages/protocol/src/Frame.ts -> packages/protocol/src/Backend.ts"
    ))

  it("rejects a comparison of the kind of server in place of a capability", () => {
    for (const code of [`if (kind === "hyper") {`, `"postgres" !== kind`, `case "hyper":`]) {
      const found = violations(withFiles({
        "packages/client/package.json": manifest("client"),
        "packages/client/src/Dialect.ts": `const name = "hyper"\n${code}\n`
      }))
      const wanted = "packages/client/src/Dialect.ts:2: read a capability of the dialect, not the kind of server"
      assert.deepStrictEqual(found.filter((line) => line.includes("capability")), [wanted])
    }
  })

  it("rejects an import cycle across packages", () => {
    const found = violations(withFiles({
      "packages/protocol/src/Frame.ts":
        `import * as Effect from "effect/Effect"\nimport * as T from "@hyperfect/transport/Transport"\n`
    }))
    assert.isTrue(found.some((line) => line.includes("circular import") && line.includes("transport/src/Transport.ts")))
  })

  it("rejects an import that the manifest does not declare, and a declaration without an import", () => {
    assertBroken(
      { "packages/protocol/src/Backend.ts": `import pg from "pg"\n` },
      `packages/protocol/src/Backend.ts:1: "pg" is missing from the package's dependencies`
    )
    assertBroken(
      { "packages/protocol/package.json": manifest("protocol", { dependencies: { pg: "8.0.0" } }) },
      `packages/protocol/package.json: nothing in src imports "pg"`
    )
    assertBroken(
      { "packages/protocol/test/Frame.test.ts": `import pg from "pg"\n` },
      `packages/protocol/test/Frame.test.ts:1: "pg" is declared nowhere`
    )
    assertBroken(
      { "packages/tooling/check.ts": `import * as Frame from "@hyperfect/protocol/Frame"\n` },
      `packages/tooling/check.ts:1: "@hyperfect/protocol" is missing from package.json`
    )
  })

  it("rejects a range where a sister package must be pinned, and references that differ from the dependencies", () => {
    assertBroken(
      {
        "packages/transport/package.json": manifest("transport", { dependencies: { "@hyperfect/protocol": "^0.0.0" } })
      },
      `packages/transport/package.json: "@hyperfect/protocol" is not pinned to 0.0.0`
    )
    assertBroken(
      { "packages/transport/tsconfig.src.json": "{}" },
      "packages/transport/tsconfig.src.json: the references are not the package's dependencies"
    )
  })

  it("rejects barrels in library code, and imports of missing or non-source files", () => {
    assertBroken(
      { "packages/protocol/src/Backend.ts": `import { Effect } from "effect"\n` },
      `packages/protocol/src/Backend.ts:1: import the module, not the barrel "effect"`
    )
    assertBroken(
      { "packages/protocol/src/Backend.ts": `import * as Wire from "./Wire.ts"\n` },
      `packages/protocol/src/Backend.ts:1: "./Wire.ts" leads to no module`
    )
    assertBroken(
      { "packages/protocol/src/Backend.ts": `import * as Test from "../test/Frame.test.ts"\n` },
      `packages/protocol/src/Backend.ts:1: "../test/Frame.test.ts" leads out of the package's src`
    )
  })

  it("rejects a barrel that leaves out a module or is out of order", () => {
    for (const lines of [["Frame"], ["Frame", "Backend"]]) {
      assertBroken(
        {
          "packages/protocol/src/index.ts": lines.map((name) => `export * as ${name} from "./${name}.ts"\n`).join("")
        },
        "packages/protocol/src/index.ts: not one line for each module, in alphabetical order"
      )
    }
  })

  it("rejects a package without a layer, or missing from the project references", () => {
    assertBroken(
      { "packages/extra/package.json": manifest("extra") },
      "packages/extra: in no layer; give it one in packages/tooling"
    )
    assertBroken(
      { "packages/tsconfig.build.json": "{}" },
      "packages/tsconfig.build.json: protocol is missing",
      "packages/tsconfig.build.json: transport is missing"
    )
    assertBroken({
      "tsconfig.json": JSON.stringify({ references: [{ path: "packages/protocol" }, { path: "packages/transport" }] })
    }, "tsconfig.json: packages/tooling is missing")
    assertBroken(
      { "packages/protocol/package.json": manifest("protocol", { private: true }) },
      `packages/protocol/package.json: "private" does not fit its layer`
    )
  })

  it("restricts imports between the parts of a package to those in the table", () => {
    const table = {
      transport: {
        model: { modules: ["Endpoint"], imports: [] },
        connect: { modules: ["Transport"], imports: ["model"] }
      }
    }
    const index = `export * as Endpoint from "./Endpoint.ts"\nexport * as Transport from "./Transport.ts"\n`
    const sound = {
      "packages/transport/src/index.ts": index,
      "packages/transport/src/Endpoint.ts": "",
      "packages/transport/src/internal/connect/dial.ts": `import * as Endpoint from "../../Endpoint.ts"\n`
    }
    const broken = (changes: Readonly<Record<string, string>>, rules: typeof rooms = table) =>
      violations(withFiles({ ...sound, ...changes }), rules)
    assert.deepStrictEqual(broken({}), [])
    assert.deepStrictEqual(
      broken({ "packages/transport/src/Endpoint.ts": `import { dial } from "./internal/connect/dial.ts"\n` }).slice(
        0,
        1
      ),
      ["packages/transport/src/Endpoint.ts:1: the room model may not import connect"]
    )
    assert.deepStrictEqual(
      broken({ "packages/transport/src/internal/pool/lease.ts": "" }),
      ["packages/transport/src/internal/pool/lease.ts: in no room; give it one in packages/tooling"]
    )
    assert.deepStrictEqual(
      broken({}, {
        transport: {
          model: { modules: ["Endpoint"], imports: ["connect"] },
          connect: { modules: ["Transport"], imports: ["model"] }
        }
      }),
      ["packages/transport: the room model may not import connect, which does not stand before it"]
    )
  })

  it("rejects an internal folder with too many modules", () => {
    const files = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`packages/protocol/src/internal/part${i}.ts`, ""]))
    assertBroken(files(folderLimit))
    assertBroken(
      files(folderLimit + 1),
      `packages/protocol/src/internal: ${folderLimit + 1} modules, over ${folderLimit}`
    )
  })

  it("includes the modules of a list of mechanisms in the barrel", () => {
    const file = { "packages/transport/src/mechanisms/Plain.ts": "" }
    const line = `export * as Plain from "./mechanisms/Plain.ts"\n`
    assertBroken(file, "packages/transport/src/index.ts: not one line for each module, in alphabetical order")
    assertBroken({
      ...file,
      "packages/transport/src/index.ts": `${line}export * as Transport from "./Transport.ts"\n`
    })
  })

  it("lists modules that are too long", () => {
    const lines = (count: number) => "\n".repeat(count)
    const tree = withFiles({
      "packages/protocol/src/Long.ts": lines(longModule + 1),
      "packages/protocol/src/Short.ts": lines(longModule)
    })
    assert.deepStrictEqual(longModules(tree), [{ path: "packages/protocol/src/Long.ts", lines: longModule + 1 }])
  })
})
