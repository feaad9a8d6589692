import { assert } from "@effect/vitest"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Transport from "@hyperfect/transport/Transport"
import { Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { start } from "./fibers.ts"
import { endlessRows, fresh, hyper, longStatement, open, postgres, servers, Target } from "./servers.ts"

/** A session that is closed by hand. */
const openClosable = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const session = yield* Scope.provide(open(), scope)
  return { session, close: Scope.close(scope, Exit.void) }
})

/** A query, a stream that is being read, one that is not, a transaction and those who wait for their turn behind it. */
const everything = Effect.fnUntraced(function*(session: Session.Session) {
  const endless = yield* endlessRows
  const began = yield* Deferred.make<void>()
  const stream = yield* start(
    Stream.runForEachArray(session.stream(endless), () => Deferred.succeed(began, undefined))
  )
  const waiting = yield* Effect.forEach([
    session.query("select 1"),
    session.simple("select 1"),
    session.transaction(session.query("select 1")),
    session.copyIn("copy nothing from stdin", Stream.never),
    Stream.runDrain(session.copyOut("copy nothing to stdout"))
  ], (effect) => start(Effect.asVoid(effect)))
  yield* Deferred.await(began)
  return [stream, ...waiting]
})

servers({
  both(it) {
    it.effect("fails everything that is under way or waits, and all that comes later", () =>
      Effect.gen(function*() {
        const { close, session } = yield* openClosable
        const fibers = yield* everything(session)
        yield* close
        const later = [
          yield* start(Effect.asVoid(session.query("select 1"))),
          yield* start(Effect.asVoid(session.simple("")))
        ]
        for (const fiber of [...fibers, ...later]) {
          const error = yield* Effect.flip(Fiber.join(fiber))
          assert.isTrue(
            error._tag === "TransportError" && error.reason._tag === "Closed" && error.reason.by === "local"
          )
        }
      }))

    it.effect("ends the streams of notices and notifications with the session", () =>
      Effect.gen(function*() {
        const { close, session } = yield* openClosable
        const notices = yield* start(Stream.runDrain(session.notices))
        const notifications = yield* start(Stream.runDrain(session.notifications))
        yield* close
        yield* Fiber.join(notices)
        yield* Fiber.join(notifications)
        yield* Stream.runDrain(session.notices)
      }))

    it.effect("ends a COPY of a session that had died before it was closed", () =>
      Effect.gen(function*() {
        const other = yield* open()
        const table = fresh("table")
        yield* other.query(`create table ${table} (a int)`)
        const transport = yield* Transport.Transport
        const { config } = yield* Target
        const rubbish = yield* Deferred.make<void>()
        const faulty: Transport.Transport["Service"] = {
          connect: (endpoint, options) =>
            Effect.map(transport.connect(endpoint, options), (connection) => ({
              ...connection,
              pull: Effect.raceFirst(
                connection.pull,
                Effect.as(Deferred.await(rubbish), [Uint8Array.of(0x21, 0, 0, 0, 4)] as const)
              )
            }))
        }
        const scope = yield* Scope.make()
        const session = yield* Session.make(config).pipe(
          Effect.provideService(Transport.Transport, faulty),
          Scope.provide(scope)
        )
        const copying = yield* start(session.copyIn(`copy ${table} from stdin with (format csv)`, Stream.never))
        yield* Effect.sleep("30 millis")
        yield* Deferred.succeed(rubbish, undefined)
        const error = yield* Effect.flip(Fiber.join(copying))
        assert.isTrue(error._tag === "ProtocolError" && error.reason._tag === "TagUnknown")
        yield* Scope.close(scope, Exit.void)
        yield* other.query(`drop table ${table}`).pipe(
          Effect.retry({ times: 100, schedule: Schedule.spaced("20 millis") }),
          Effect.timeout("5 seconds")
        )
      }))
  },

  postgres(it) {
    it.effect("leaves no session on the server", () =>
      Effect.gen(function*() {
        const other = yield* open()
        const sessions = Effect.map(
          other.values("select count(*)::int from pg_stat_activity where application_name = 'closing'"),
          ({ rows }) => rows[0]?.[0]
        )
        const scope = yield* Scope.make()
        const idle = yield* Scope.provide(open({ applicationName: "closing" }), scope)
        const busy = yield* Scope.provide(open({ applicationName: "closing" }), scope)
        yield* idle.query("begin")
        const running = yield* start(busy.query("select pg_sleep(0.3)"))
        yield* Effect.sleep("20 millis")
        assert.strictEqual(yield* sessions, 2)
        yield* Scope.close(scope, Exit.void)
        yield* Effect.flip(Fiber.join(running))
        yield* sessions.pipe(Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced("20 millis") }))
      }))

    it.effect("fails with the server's own words when it ends the session", () =>
      Effect.gen(function*() {
        const other = yield* open()
        const kill = (session: Session.Session) => other.query(`select pg_terminate_backend(${session.processId})`)
        const isReason = (error: QueryError) =>
          assert.isTrue(
            error._tag === "ServerError" && error.reason._tag === "AdminShutdown" && error.isFatal,
            String(error)
          )
        const idle = yield* open()
        yield* kill(idle)
        isReason(yield* Effect.flip(Effect.repeat(idle.query("select 1"), Schedule.spaced("5 millis"))))
        isReason(yield* Effect.flip(idle.query("select 1")))

        const busy = yield* open()
        const fibers = [yield* start(busy.simple("select pg_sleep(60)")), yield* start(busy.simple("select 1"))]
        yield* Effect.sleep("20 millis")
        yield* kill(busy)
        for (const fiber of fibers) isReason(yield* Effect.flip(Fiber.join(fiber)))
        const afterwards = yield* Effect.flip(busy.transaction(Effect.void))
        assert.isTrue(afterwards._tag === "ServerError" && afterwards.reason._tag === "AdminShutdown")

        const copying = yield* open()
        const table = fresh("table")
        yield* copying.query(`create table ${table} (a int)`)
        const endless = Stream.forever(Stream.make(new TextEncoder().encode("1\n".repeat(50_000))))
        const copy = yield* start(copying.copyIn(`copy ${table} from stdin`, endless))
        yield* Effect.sleep("50 millis")
        yield* kill(copying)
        // A server that is in the middle of reading or writing data may have no chance to say why, and may hang up
        // inside a message.
        const isReasonOrEnd = (error: QueryError) => {
          if (error._tag === "ServerError") return isReason(error)
          const ends: ReadonlyArray<string> = ["Closed", "ReadFailed", "WriteFailed", "StreamEnded"]
          assert.isTrue("reason" in error && ends.includes(error.reason._tag), String(error))
        }
        isReasonOrEnd(yield* Effect.flip(Fiber.join(copy)))

        const streaming = yield* open()
        const stream = yield* start(Stream.runDrain(streaming.stream(yield* endlessRows)))
        yield* Effect.sleep("50 millis")
        yield* kill(streaming)
        isReasonOrEnd(yield* Effect.flip(Fiber.join(stream)))
      }))

    it.effect("fails when the server is shut down or crashes, whatever is going on", () =>
      Effect.gen(function*() {
        for (const signal of ["SIGINT", "SIGQUIT"] as const) {
          yield* Effect.gen(function*() {
            const server = yield* PostgresServer.PostgresServer
            const session = yield* open()
            const long = yield* start(Effect.asVoid(session.query(yield* longStatement)))
            const idle = yield* open()
            yield* Effect.sleep("20 millis")
            process.kill(server.pid, signal)
            const error = yield* Effect.flip(Fiber.join(long))
            assert.oneOf(error._tag, ["ServerError", "TransportError"])
            if (signal === "SIGINT") {
              assert.isTrue(error._tag === "ServerError" && error.reason._tag === "AdminShutdown")
            }
            // It may have run, so it is not for us to say that it can be sent again.
            assert.oneOf(error.sent, ["unknown", "all"])
            assert.isFalse(error.isRetryable)
            yield* Effect.flip(Effect.repeat(idle.query("select 1"), Schedule.spaced("5 millis")))
          }).pipe(Effect.scoped, Effect.provide(Layer.fresh(postgres), { local: true }), Effect.timeout("10 seconds"))
        }
      }))
  },

  hyper(it) {
    it.effect("fails when the server dies, whatever is going on", () =>
      Effect.gen(function*() {
        for (const signal of ["SIGTERM", "SIGKILL"] as const) {
          yield* Effect.gen(function*() {
            const server = yield* Hyperd.Hyperd
            const session = yield* open()
            const fibers = yield* everything(session)
            const idle = yield* open()
            process.kill(server.pid, signal)
            for (const fiber of fibers) {
              const error = yield* Effect.flip(Fiber.join(fiber))
              assert.isTrue(error._tag === "TransportError" && error.isRetryable === (error.sent === "nothing"))
            }
            yield* Effect.flip(Effect.repeat(idle.query("select 1"), Schedule.spaced("5 millis")))
          }).pipe(Effect.scoped, Effect.provide(Layer.fresh(hyper), { local: true }), Effect.timeout("10 seconds"))
        }
      }))
  }
})
