import { assert } from "@effect/vitest"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Transport from "@hyperfect/transport/Transport"
import { Deferred, Effect, Exit, Fiber, Schedule, Scope, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import {
  describeServers,
  endlessRows,
  layerHyper,
  layerOwnPostgres,
  longRunningStatement,
  openSession,
  TestServer,
  uniqueName
} from "./liveServers.ts"

/** Opens a session that the test closes. */
const openClosable = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const session = yield* Scope.provide(openSession(), scope)
  return { session, close: Scope.close(scope, Exit.void) }
})

/** Starts a query, a stream that is being read, one that is not, a transaction and callers waiting behind it. */
const startAllOperations = Effect.fnUntraced(function*(session: Session.Session) {
  const endless = yield* endlessRows
  const began = yield* Deferred.make<void>()
  const stream = yield* forkImmediately(
    Stream.runForEachArray(session.stream(endless), () => Deferred.succeed(began, undefined))
  )
  const waiting = yield* Effect.forEach([
    session.query("select 1"),
    session.simple("select 1"),
    session.transaction(session.query("select 1")),
    session.copyIn("copy nothing from stdin", Stream.never),
    Stream.runDrain(session.copyOut("copy nothing to stdout"))
  ], (effect) => forkImmediately(Effect.asVoid(effect)))
  yield* Deferred.await(began)
  return [stream, ...waiting]
})

describeServers({
  both(it) {
    it.effect("fails everything in progress or waiting, and all later uses", () =>
      Effect.gen(function*() {
        const { close, session } = yield* openClosable
        const fibers = yield* startAllOperations(session)
        yield* close
        const later = [
          yield* forkImmediately(Effect.asVoid(session.query("select 1"))),
          yield* forkImmediately(Effect.asVoid(session.simple("")))
        ]
        for (const fiber of [...fibers, ...later]) {
          const error = yield* Effect.flip(Fiber.join(fiber))
          assert.isTrue(
            error._tag === "TransportError" && error.reason._tag === "Closed" && error.reason.by === "local"
          )
        }
      }))

    it.effect("ends the streams of notices and notifications", () =>
      Effect.gen(function*() {
        const { close, session } = yield* openClosable
        const notices = yield* forkImmediately(Stream.runDrain(session.notices))
        const notifications = yield* forkImmediately(Stream.runDrain(session.notifications))
        yield* close
        yield* Fiber.join(notices)
        yield* Fiber.join(notifications)
        yield* Stream.runDrain(session.notices)
      }))

    it.effect("ends a COPY of a session that had died before it was closed", () =>
      Effect.gen(function*() {
        const other = yield* openSession()
        const table = uniqueName("table")
        yield* other.query(`create table ${table} (a int)`)
        const transport = yield* Transport.Transport
        const { config } = yield* TestServer
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
        const copying = yield* forkImmediately(
          session.copyIn(`copy ${table} from stdin with (format csv)`, Stream.never)
        )
        yield* Effect.sleep("30 millis")
        yield* Deferred.succeed(rubbish, undefined)
        const error = yield* Effect.flip(Fiber.join(copying))
        assert.isTrue(error._tag === "ProtocolError" && error.reason._tag === "TagUnknown")
        yield* Scope.close(scope, Exit.void)
        yield* other.query(`drop table ${table}`).pipe(
          Effect.retry(Schedule.spaced("20 millis")),
          Effect.timeout("30 seconds")
        )
      }))
  },

  postgres(it) {
    it.effect("leaves no session on the server", () =>
      Effect.gen(function*() {
        const other = yield* openSession()
        const sessions = Effect.map(
          other.values("select count(*)::int from pg_stat_activity where application_name = 'closing'"),
          ({ rows }) => rows[0]?.[0]
        )
        const scope = yield* Scope.make()
        const idle = yield* Scope.provide(openSession({ applicationName: "closing" }), scope)
        const busy = yield* Scope.provide(openSession({ applicationName: "closing" }), scope)
        yield* idle.query("begin")
        const running = yield* forkImmediately(busy.query("select pg_sleep(0.3)"))
        yield* Effect.sleep("20 millis")
        assert.strictEqual(yield* sessions, 2)
        yield* Scope.close(scope, Exit.void)
        yield* Effect.flip(Fiber.join(running))
        yield* sessions.pipe(Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced("20 millis") }))
      }))

    it.effect("fails with the server's message when the server ends the session", () =>
      Effect.gen(function*() {
        const other = yield* openSession()
        const kill = (session: Session.Session) => other.query(`select pg_terminate_backend(${session.processId})`)
        const isReason = (error: QueryError) =>
          assert.isTrue(
            error._tag === "ServerError" && error.reason._tag === "AdminShutdown" && error.isFatal,
            String(error)
          )
        const idle = yield* openSession()
        yield* kill(idle)
        isReason(yield* Effect.flip(Effect.repeat(idle.query("select 1"), Schedule.spaced("5 millis"))))
        isReason(yield* Effect.flip(idle.query("select 1")))

        const busy = yield* openSession()
        const fibers = [
          yield* forkImmediately(busy.simple("select pg_sleep(60)")),
          yield* forkImmediately(busy.simple("select 1"))
        ]
        yield* Effect.sleep("20 millis")
        yield* kill(busy)
        for (const fiber of fibers) isReason(yield* Effect.flip(Fiber.join(fiber)))
        const afterwards = yield* Effect.flip(busy.transaction(Effect.void))
        assert.isTrue(afterwards._tag === "ServerError" && afterwards.reason._tag === "AdminShutdown")

        const copying = yield* openSession()
        const table = uniqueName("table")
        yield* copying.query(`create table ${table} (a int)`)
        const endless = Stream.forever(Stream.make(new TextEncoder().encode("1\n".repeat(50_000))))
        const copy = yield* forkImmediately(copying.copyIn(`copy ${table} from stdin`, endless))
        yield* Effect.sleep("50 millis")
        yield* kill(copying)
        // A server that is reading or writing data may be unable to send a reason, and may disconnect inside a message.
        const isReasonOrEnd = (error: QueryError) => {
          if (error._tag === "ServerError") return isReason(error)
          const ends: ReadonlyArray<string> = ["Closed", "ReadFailed", "WriteFailed", "StreamEnded"]
          assert.isTrue("reason" in error && ends.includes(error.reason._tag), String(error))
        }
        isReasonOrEnd(yield* Effect.flip(Fiber.join(copy)))

        const streaming = yield* openSession()
        const stream = yield* forkImmediately(Stream.runDrain(streaming.stream(yield* endlessRows)))
        yield* Effect.sleep("50 millis")
        yield* kill(streaming)
        isReasonOrEnd(yield* Effect.flip(Fiber.join(stream)))
      }))

    it.effect("fails when the server is shut down or crashes, at any activity", () =>
      Effect.gen(function*() {
        for (const signal of ["SIGINT", "SIGQUIT"] as const) {
          yield* Effect.gen(function*() {
            const server = yield* PostgresServer.PostgresServer
            const session = yield* openSession()
            const long = yield* forkImmediately(Effect.asVoid(session.query(yield* longRunningStatement)))
            const idle = yield* openSession()
            // Until it runs: a statement that is only being parsed is known not to have.
            yield* Effect.repeat(
              idle.values("select from pg_stat_activity where wait_event = 'PgSleep'"),
              { until: ({ rowCount }) => rowCount === 1, schedule: Schedule.spaced("5 millis") }
            )
            process.kill(server.pid, signal)
            const error = yield* Effect.flip(Fiber.join(long))
            assert.oneOf(error._tag, ["ServerError", "TransportError"])
            if (signal === "SIGINT") {
              assert.isTrue(error._tag === "ServerError" && error.reason._tag === "AdminShutdown")
            }
            // The statement may have run, so it must not be reported as unsent.
            assert.strictEqual(error.sent, "unknown")
            assert.isFalse(error.isRetryable)
            yield* Effect.flip(Effect.repeat(idle.query("select 1"), Schedule.spaced("5 millis")))
          }).pipe(
            Effect.scoped,
            // Without the time that a server takes to start on a busy machine.
            Effect.timeout("20 seconds"),
            Effect.provide(layerOwnPostgres, { local: true })
          )
        }
      }))
  },

  hyper(it) {
    it.effect("fails when the server dies, at any activity", () =>
      Effect.gen(function*() {
        for (const signal of ["SIGTERM", "SIGKILL"] as const) {
          yield* Effect.gen(function*() {
            const server = yield* Hyperd.Hyperd
            const session = yield* openSession()
            const fibers = yield* startAllOperations(session)
            const idle = yield* openSession()
            process.kill(server.pid, signal)
            for (const fiber of fibers) {
              const error = yield* Effect.flip(Fiber.join(fiber))
              assert.isTrue(error._tag === "TransportError" && !error.isRetryable)
            }
            yield* Effect.flip(Effect.repeat(idle.query("select 1"), Schedule.spaced("5 millis")))
          }).pipe(Effect.scoped, Effect.timeout("20 seconds"), Effect.provide(layerHyper, { local: true }))
        }
      }))
  }
})
