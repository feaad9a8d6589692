// Runs tests of node-postgres against @hyperfect/pg, from a checkout of github.com/brianc/node-postgres with what its tests
// need installed: npm run pg-suite -- <checkout> [part of a file's name]
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Console, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"

const [checkout, part = ""] = process.argv.slice(2)
if (checkout === undefined) {
  console.error("usage: pg-suite.ts <checkout of node-postgres> [part of a file's name]")
  process.exit(2)
}

/** The folders of tests that use nothing of `pg` but its interface. */
const folders = ["integration/client", "integration/connection-pool", "integration/gh-issues", "integration"]

const files = folders.flatMap((folder) =>
  readdirSync(join(checkout, "packages/pg/test", folder))
    .filter((name) => name.endsWith("-tests.js") && name.includes(part))
    .map((name) => join(folder, name))
)

interface Outcome {
  readonly code: number | null
  readonly output: string
}

const run = (file: string, env: Readonly<Record<string, string>>): Effect.Effect<Outcome> =>
  Effect.callback((resume) => {
    const child = spawn(
      process.execPath,
      ["--conditions=@hyperfect/source", "--import", join(import.meta.dirname, "pgSuiteHook.ts"), file],
      { cwd: join(checkout, "packages/pg"), env: { ...process.env, NODE_NO_WARNINGS: "1", ...env }, timeout: 30_000 }
    )
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output += chunk.toString())
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
  })

const program = Effect.gen(function*() {
  const { database, endpoint, user } = yield* PostgresServer.PostgresServer
  const env = {
    PGHOST: endpoint.host,
    PGPORT: String(endpoint.port),
    PGUSER: user,
    PGDATABASE: database,
    PGTESTNOSSL: "true"
  }
  let passed = 0
  let tests = 0
  for (const file of files) {
    const { code, output } = yield* run(join("test", file), env)
    const done = output.split("✔").length - 1
    tests += done
    if (code === 0) passed++
    yield* Console.log(`${code === 0 ? "passed" : "FAILED"} ${file}, ${done} tests`)
    if (code !== 0) yield* Console.log(output.replaceAll(/^/gm, "    ").slice(0, 2_000))
  }
  yield* Console.log(`${passed} of ${files.length} files, ${tests} tests passed`)
})

const Live = Layer.provideMerge(PostgresServer.layer({ authentication: "trust" }), NodePlatform.layer)
await Effect.runPromise(Effect.provide(program, Live))
