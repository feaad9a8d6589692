import { assert, describe, it } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../demo.ts", import.meta.url))

interface Run {
  readonly output: string
  readonly errors: string
  readonly exitCode: number | null
}

const runIn = (folder: string, args: ReadonlyArray<string>, environment: NodeJS.ProcessEnv = {}) =>
  Effect.callback<Run>((resume) => {
    const child = spawn(process.execPath, ["--conditions=@hyperfect/source", program, ...args], {
      cwd: folder,
      env: { ...process.env, ...environment }
    })
    let output = ""
    let errors = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (errors += chunk))
    child.on("close", (exitCode) => resume(Effect.succeed({ output, errors, exitCode })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "hyperfect-demo-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const assertShown = ({ errors, exitCode, output }: Run, server: RegExp) => {
  assert.deepStrictEqual([exitCode, errors], [0, ""])
  assert.match(output, server)
  assert.match(output, /logged in by +scram-sha-256/)
  assert.match(output, /flights +200,000 rows, [\d,]+ rows\/s/)
  assert.match(output, /birdstrikes +10,000 rows, [\d,]+ rows\/s/)
  assert.match(output, /13:00 █+ 8\.6/)
  assert.match(output, /Canada goose +26 +15389869 +1994-08-03/)
  assert.match(output, /Approach +2146 +163\.6 +780010/)
  assert.match(output, /UndefinedColumn \(42703\)/)
  // Not a terminal: nothing that only a terminal understands.
  assert.notInclude(output, "\u001b")
}

describe("the demo", () => {
  it.live("starts Hyper, loads the data, shows the answers and says where the file lies", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const run = yield* runIn(path, [])
      assertShown(run, /server +Hyper main\./)
      const file = /the data +(\S+)/.exec(run.output)![1]!
      assert.isTrue(existsSync(file))
      assert.isTrue(file.endsWith("demo.hyper"))
    }), 60_000)

  it.live("does the same with PostgreSQL", () =>
    Effect.gen(function*() {
      assertShown(yield* runIn(yield* folder, ["--postgres"]), /server +PostgreSQL 18/)
    }), 60_000)

  it.live("does the same with the server of a URI", () =>
    Effect.gen(function*() {
      const { database, endpoint, password, user } = yield* PostgresServer.PostgresServer
      const url = `postgresql://${user}:${Redacted.value(password)}@${endpoint.host}:${endpoint.port}/${database}`
      assertShown(yield* runIn(yield* folder, ["--url", url]), /server +PostgreSQL 18/)
    }).pipe(Effect.provide(PostgresServer.layer().pipe(Layer.provide(NodePlatform.layer)))), 60_000)

  it.live("says in one line what is wrong, and exits with 1", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const missing = yield* runIn(path, [], { HYPERD_PATH: join(path, "nowhere") })
      const refused = yield* runIn(path, ["--url", "postgresql://me@127.0.0.1:1/x"])
      for (const { errors, exitCode, output } of [missing, refused]) {
        assert.strictEqual(exitCode, 1)
        assert.match(errors, /^demo: [^\n]+\n$/)
        assert.strictEqual(output, "")
      }
      assert.include(missing.errors, "HYPERD_PATH")
      assert.include(refused.errors, "ECONNREFUSED")
    }), 60_000)
})
