import { assert } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import * as ProtocolTrace from "@hyperfect/transport/ProtocolTrace"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect, Layer, Logger, Stream } from "effect"
import { describeServers, TestServer, uniqueName } from "./liveServers.ts"

/** Runs an effect with traced connections; returns the trace. */
const runTraced = <A, E, R>(effect: Effect.Effect<A, E, R>, options: ProtocolTrace.Options = {}) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const sink = ({ connection, text }: ProtocolTrace.Entry) => void seen.push(`${connection} ${text}`)
    const layer = Layer.provide(
      ProtocolTrace.layer({ sink, ...options }),
      Layer.succeed(Transport, yield* Transport)
    )
    yield* Effect.provide(effect, layer)
    return seen
  })

const tracedOperations = Effect.gen(function*() {
  const { config } = yield* TestServer
  const session = yield* Session.make(config)
  const table = uniqueName("traced")
  yield* session.query(`create table ${table} (a text)`)
  yield* session.copyIn(
    `copy ${table} from stdin with (format csv)`,
    Stream.make(new TextEncoder().encode("hunter2\n"))
  )
  yield* session.values(sql`select a from ${sql``} (select ${"hunter2"}::text as a) t`)
  yield* Stream.runDrain(session.stream(`select a from ${table}`))
  yield* Effect.ignore(session.query(sql`select ${"hunter2"}::text::int`))
}).pipe(Effect.scoped)

describeServers({
  both(it) {
    it.effect("shows the messages of each connection without secrets", () =>
      Effect.gen(function*() {
        const seen = yield* runTraced(tracedOperations)
        assert.strictEqual(seen[0], "1 - opened")
        assert.match(seen.find((line) => line.includes("StartupMessage"))!, /^1 F\t\d+\tStartupMessage\t/)
        for (const name of ["DataRow", "CopyData", "Bind", "BackendKeyData", "ErrorResponse", "ReadyForQuery"]) {
          assert.isTrue(seen.some((line) => line.includes(`\t${name}`)), name)
        }
        assert.strictEqual(seen.at(-1), "1 - closed by the client")
        const all = seen.join("\n")
        assert.notInclude(all, "hunter2")
        assert.match(all, /\tSASLResponse\t <\d+ bytes>/)
        assert.isTrue(seen.every((line) => !line.includes("\n")))
      }))

    it.effect("shows secrets if configured", () =>
      Effect.gen(function*() {
        const seen = yield* runTraced(tracedOperations, { redact: false })
        assert.include(seen.join("\n"), "'hunter2'")
      }))

    it.effect("reports failed connections to the log", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const logged: Array<string> = []
        const logger = Logger.make(({ message }) => void logged.push(String(message)))
        assert(config.endpoint._tag === "Tcp")
        const nobody = { ...config, endpoint: { ...config.endpoint, port: 1 } }
        yield* runTraced(Effect.ignore(Effect.scoped(Session.make(nobody))), { sink: undefined }).pipe(
          Effect.provide(Logger.layer([logger]))
        )
        assert.deepStrictEqual(logged, ["- not opened: OpenFailed"])
      }))
  }
})
