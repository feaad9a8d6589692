import { assert } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import * as ProtocolTrace from "@hyperfect/transport/ProtocolTrace"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect, Layer, Logger, Stream } from "effect"
import { fresh, servers, Target } from "./servers.ts"

/** Runs something over lines that are traced; returns the trace. */
const traced = <A, E, R>(effect: Effect.Effect<A, E, R>, options: ProtocolTrace.Options = {}) =>
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

const work = Effect.gen(function*() {
  const { config } = yield* Target
  const session = yield* Session.make(config)
  const table = fresh("traced")
  yield* session.query(`create table ${table} (a text)`)
  yield* session.copyIn(
    `copy ${table} from stdin with (format csv)`,
    Stream.make(new TextEncoder().encode("hunter2\n"))
  )
  yield* session.values(sql`select a from ${sql``} (select ${"hunter2"}::text as a) t`)
  yield* Stream.runDrain(session.stream(`select a from ${table}`))
  yield* Effect.ignore(session.query(sql`select ${"hunter2"}::text::int`))
}).pipe(Effect.scoped)

servers({
  both(it) {
    it.effect("shows what is said on each line, and nothing that is secret", () =>
      Effect.gen(function*() {
        const seen = yield* traced(work)
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

    it.effect("shows everything when it is asked to", () =>
      Effect.gen(function*() {
        const seen = yield* traced(work, { redact: false })
        assert.include(seen.join("\n"), "'hunter2'")
      }))

    it.effect("tells of lines that could not be opened, and goes to the log", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const logged: Array<string> = []
        const logger = Logger.make(({ message }) => void logged.push(String(message)))
        assert(config.endpoint._tag === "Tcp")
        const nobody = { ...config, endpoint: { ...config.endpoint, port: 1 } }
        yield* traced(Effect.ignore(Effect.scoped(Session.make(nobody))), { sink: undefined }).pipe(
          Effect.provide(Logger.layer([logger]))
        )
        assert.deepStrictEqual(logged, ["- not opened: OpenFailed"])
      }))
  }
})
