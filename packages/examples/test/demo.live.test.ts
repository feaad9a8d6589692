import { assert, describe, it } from "@effect/vitest"
import { Session } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { HyperdServer, PostgresServer } from "@hyperfect/testing"
import { Effect, Redacted, Stream } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { birdstrikes, flights, packageDirectory } from "../demo/datasets.ts"

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
  // The output is not a terminal, so it must contain no escape sequences.
  assert.notInclude(output, "\u001b")
}

describe("demo", () => {
  it.live(
    "starts Hyper, loads the data, and prints the results and the path of the file",
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        const run = yield* runIn(path, [])
        assertShown(run, /server +Hyper main\./)
        const file = /the data +(\S+)/.exec(run.output)![1]!
        assert.isTrue(existsSync(file))
        assert.isTrue(file.endsWith("demo.hyper"))
      }),
    60_000
  )

  it.live("does the same with PostgreSQL", () =>
    Effect.gen(function*() {
      assertShown(yield* runIn(yield* folder, ["--postgres"]), /server +PostgreSQL 18/)
    }), 60_000)

  it.live("does the same with the server of a URI, and leaves its tables unchanged", () =>
    Effect.gen(function*() {
      const servers = [
        { server: yield* PostgresServer.make({ databases: ["app"] }), database: "app", shown: /server +PostgreSQL 18/ },
        { server: yield* HyperdServer.make(), database: undefined, shown: /server +Hyper main\./ }
      ]
      for (const { database, server, shown } of servers) {
        const { endpoint, password, user } = server
        if (endpoint._tag !== "Tcp" || password === undefined) return assert.fail("not on TCP, or without a password")
        const path = database === undefined ? "" : `/${database}`
        const url = `postgresql://${user}:${Redacted.value(password)}@${endpoint.host}:${endpoint.port}${path}`
        const client = yield* Session.make({ ...server, database })
        const kept = database === undefined
          ? "create temporary table flights (mine int)"
          : "create table flights (mine int)"
        yield* client.simple(kept)
        const run = yield* runIn(yield* folder, ["--url", url])
        assertShown(run, shown)
        assert.match(run.output, /the data +in temporary tables/)
        const { fields } = yield* client.values("select * from flights")
        assert.deepStrictEqual(fields.map(({ name }) => name), ["mine"])
      }
    }).pipe(Effect.provide(NodePlatform.layer)), 60_000)

  it.live("reports an error in one line, and exits with 1", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const missing = yield* runIn(path, [], { HYPERD_PATH: join(path, "nowhere") })
      const refused = yield* runIn(path, ["--url", "postgresql://me@127.0.0.1:1/x"])
      const wrongUri = yield* runIn(path, ["--url", "postgresql://me@127.0.0.1:1/x?ssl=on"])
      for (const { errors, exitCode, output } of [missing, refused, wrongUri]) {
        assert.strictEqual(exitCode, 1)
        assert.match(errors, /^demo: [^\n]+\n$/)
        assert.strictEqual(output, "")
      }
      assert.include(missing.errors, "HYPERD_PATH")
      assert.include(refused.errors, "ECONNREFUSED")
    }), 60_000)

  it.live("reports an unreadable data file in one line, and exits with 1", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { errors, exitCode } = yield* runIn(path, ["--data", path])
      assert.strictEqual(exitCode, 1)
      assert.match(errors, /^demo: cannot read .*flights-200k\.json: [^\n]+\n$/)
    }), 60_000)
})

describe("demo > data sets", () => {
  it.live("are complete", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* flights(packageDirectory)).length, 200_000)
      assert.strictEqual(yield* Stream.runCount(birdstrikes(packageDirectory)), 10_000)
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("fail with a typed error if they cannot be read", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const cannotRead = Effect.fnUntraced(function*(name: string, content: string | undefined, message: RegExp) {
        if (content !== undefined) writeFileSync(join(path, name), content)
        const reading = name.endsWith(".json") ? flights(path) : Stream.runDrain(birdstrikes(path))
        const error = yield* Effect.flip(reading)
        assert.strictEqual(error._tag, "DataUnreadable")
        assert.include(error.message, `cannot read ${join(path, name)}: `)
        assert.match(error.message, message)
      })
      yield* cannotRead("flights-200k.json", undefined, /NotFound/)
      yield* cannotRead("flights-200k.json", "[{\"delay\": 1", /JSON/)
      yield* cannotRead("flights-200k.json", "[{\"delay\": 1, \"distance\": \"far\", \"time\": 0}]", /distance/)
      yield* cannotRead("birdstrikes.csv", undefined, /NotFound/)
      yield* cannotRead("birdstrikes.csv", "header\nSFO,1990-01-01\n", /14 fields wanted, found 2/)
      yield* cannotRead("birdstrikes.csv", "header\nSFO,A,,no date,,,,,,,,,,\n", /date/)
    }).pipe(Effect.provide(NodePlatform.layer)))
})
