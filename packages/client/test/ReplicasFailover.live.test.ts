/** Reads from standbys that are missing, end, are promoted, do not answer, or wait themselves. */
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import * as Query from "@hyperfect/client/Query"
import * as Replicas from "@hyperfect/client/Replicas"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Transport } from "@hyperfect/transport/Transport"
import { Config, ConfigProvider, Effect, Fiber, Redacted, Schedule } from "effect"
import { forkImmediately } from "./fibers.ts"
import { waitUntil } from "./pools.ts"
import { makeRecorder } from "./recorder.ts"
import { count, isStandby, makeAsynchronousPair, open, readerOf, readOnly, readsFrom, whilePaused } from "./replicas.ts"

const live = <A, E>(
  title: string,
  test: Effect.Effect<A, E, Effect.Services<ReturnType<typeof makeAsynchronousPair>> | NodePlatform.NodePlatform>
) =>
  it.live(
    title,
    () => test.pipe(Effect.scoped, Effect.provide(NodePlatform.layer), Effect.timeout("2 minutes")),
    120_000
  )

const openReading = Effect.fnUntraced(function*(pair: PostgresServer.Pair, options: Replicas.Options) {
  const db = yield* open(pair, { hostRecheck: Schedule.spaced("20 millis"), ...options })
  yield* readsFrom(db, "standby")
  return db
})

const insert = "insert into t values (1)"
const read = (db: Replicas.Replicas) => db.transaction(count(db, "t"), readOnly)

/** A transport to servers that say they are PostgreSQL 19, and answer WAIT FOR with a status. */
const makeNineteen = (inner: Transport["Service"], status: string) => {
  const waits: Array<string> = []
  const transport: Transport["Service"] = {
    ...inner,
    connect: (endpoint, options) =>
      Effect.map(inner.connect(endpoint, options), (connection) => ({
        ...connection,
        pull: Effect.map(connection.pull, (chunks) => {
          for (const chunk of chunks) {
            const at = Buffer.from(chunk).indexOf("server_version\0")
            if (at >= 0) chunk.set(Buffer.from("19"), at + "server_version\0".length)
          }
          return chunks
        }),
        write: (bytes) =>
          Effect.suspend(() => {
            const at = Buffer.from(bytes).indexOf("WAIT FOR")
            if (at >= 0) {
              const end = bytes.indexOf(0, at)
              waits.push(Buffer.from(bytes.subarray(at, end)).toString())
              bytes.set(Buffer.from(`select '${status}' as status`.padEnd(end - at)), at)
            }
            return connection.write(bytes)
          })
      }))
  }
  return { transport, waits }
}

describe("Replicas > servers that change", () => {
  live(
    "without a standby, reads run on the primary, and the layers provide the pool, the client and the notifications",
    Effect.gen(function*() {
      const { database, endpoint, password, user } = yield* PostgresServer.make()
      const secret = Redacted.value(password)
      const uri = `postgresql://${user}:${secret}@${endpoint.host}:${endpoint.port}/${database}`
      const variables = { PGHOST: endpoint.host, PGPORT: `${endpoint.port}`, PGUSER: user, PGPASSWORD: secret }
      const { spans, traced } = makeRecorder()
      const test = Effect.gen(function*() {
        const db = yield* Replicas.Replicas
        assert.strictEqual(yield* Client, db)
        assert.strictEqual(yield* Pool.Pool, db)
        assert.strictEqual(yield* Notifications.Notifications, db)
        assert.isFalse(yield* readerOf(db))
        yield* waitUntil(() => db.standbyStats().connectFailures > 0)
        spans.length = 0
        assert.isFalse(yield* traced(readerOf(db)))
        const span = spans.find(({ name }) => name.startsWith("TRANSACTION"))!
        assert.strictEqual(span.attributes.get("hyperfect.fallback"), "PoolError.Unavailable")
        assert.deepInclude(db.standbyStats(), { size: 0, opened: 0 })
        assert.isTrue(db.stats().size > 0)
        assert.strictEqual(db.server.kind, "postgres")
        assert.strictEqual(db.authentication, "scram-sha-256")
        yield* db.refresh
        assert.isFalse(yield* readerOf(db))
      })
      for (
        const replicas of [
          Replicas.layer({ database, endpoint, password, user }),
          Replicas.layerUri(uri),
          Replicas.layerConfig(Config.succeed(Redacted.make(uri))),
          Replicas.layerConninfo(undefined, { maxWait: "10 millis" })
        ]
      ) {
        yield* Effect.provide(test, replicas, { local: true }).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))
        )
      }
      for (const maxWait of ["soon" as never, "Infinity" as never, Infinity]) {
        const error = yield* Effect.flip(Replicas.make({ endpoint, user }, { maxWait }))
        assert.deepInclude(error, { _tag: "ConnectionConfigError", setting: "maxWait" })
      }
    })
  )

  live(
    "after its standby has ended, reads run on the primary",
    Effect.gen(function*() {
      const pair = yield* makeAsynchronousPair()
      const db = yield* openReading(pair, { maxWait: "30 seconds" })
      process.kill(pair.standby.pid, "SIGKILL")
      yield* waitUntil(() => db.standbyStats().size === 0)
      yield* db.execute(insert)
      assert.isFalse(yield* readerOf(db))
      assert.strictEqual(yield* read(db), 1)
    })
  )

  live(
    "after its primary has ended, reads see on the standby what they did before, and all on the promoted one",
    Effect.gen(function*() {
      const pair = yield* makeAsynchronousPair()
      const db = yield* openReading(pair, { maxWait: "5 seconds" })
      yield* db.execute(insert)
      yield* readsFrom(db, "standby")
      process.kill(pair.primary.pid, "SIGKILL")
      yield* waitUntil(() => db.stats().size === 0)
      assert.isTrue(yield* readerOf(db))
      assert.strictEqual(yield* read(db), 1)
      yield* Effect.scoped(
        Effect.flatMap(Session.make(pair.standby), (session) => session.execute("select pg_promote()"))
      )
      yield* db.execute(insert)
      assert.isFalse(yield* readerOf(db))
      assert.strictEqual(yield* read(db), 2)
      yield* waitUntil(() => db.standbyStats().size === 0)
      yield* db.execute(insert)
      assert.strictEqual(yield* read(db), 3)
    })
  )

  live(
    "while a standby does not say its position, reads run on the primary",
    Effect.gen(function*() {
      const pair = yield* makeAsynchronousPair()
      const db = yield* openReading(pair, { maxWait: "5 millis", maxStandby: 1 })
      const { rows } = yield* db.transaction(db.values("select pg_backend_pid(), pg_is_in_recovery()"), readOnly)
      assert.isTrue(rows[0]![1])
      const backend = rows[0]![0] as number
      const { spans, traced } = makeRecorder()
      yield* Effect.acquireUseRelease(
        Effect.sync(() => process.kill(backend, "SIGSTOP")),
        () =>
          Effect.gen(function*() {
            yield* db.execute(insert)
            assert.strictEqual(yield* traced(read(db)), 1)
          }),
        () => Effect.sync(() => process.kill(backend, "SIGCONT"))
      )
      const span = spans.find(({ name }) => name.startsWith("TRANSACTION"))!
      assert.strictEqual(span.attributes.get("hyperfect.role"), "primary")
      assert.strictEqual(span.attributes.get("hyperfect.fallback"), "ServerUnresponsive")
      yield* readsFrom(db, "standby")
    })
  )

  live(
    "retryTransaction repeats a read that replay has cancelled",
    Effect.gen(function*() {
      const pair = yield* makeAsynchronousPair({ max_standby_streaming_delay: 0, autovacuum: false })
      const db = yield* openReading(pair, { maxWait: "30 seconds" })
      yield* db.execute(insert)
      const watcher = yield* Session.make(pair.standby)
      const sleep = "select pg_sleep(60)"
      const asleep = `select count(*)::int from pg_stat_activity where query = '${sleep}' and state = 'active'`
      const roles: Array<boolean> = []
      const rows = yield* db.retryTransaction(
        Effect.gen(function*() {
          roles.push(yield* isStandby(db))
          const rows = yield* count(db, "t")
          if (roles.length > 1) return rows
          const sleeping = yield* forkImmediately(db.execute(sleep))
          yield* Effect.repeat(watcher.values(asleep), {
            until: ({ rows }) => rows[0]![0] === 1,
            schedule: Schedule.spaced("10 millis")
          })
          yield* Query.outsideTransaction(Effect.andThen(db.execute("delete from t"), db.execute("vacuum t")))
          yield* Fiber.join(sleeping)
          return rows
        }),
        { access: "read only", isolation: "repeatable read" }
      )
      assert.deepStrictEqual(roles.slice(0, 2), [true, true])
      assert.strictEqual(rows, 0)
    })
  )

  live(
    "PostgreSQL 19 waits for the position itself",
    Effect.gen(function*() {
      const pair = yield* makeAsynchronousPair()
      const inner = yield* Transport
      for (const [status, found] of [["success", 0], ["timeout", 2], ["not in recovery", 3]] as const) {
        const { transport, waits } = makeNineteen(inner, status)
        yield* Effect.gen(function*() {
          const db = yield* openReading(pair, { maxWait: "7 seconds" })
          assert.isTrue(db.server.version.startsWith("19."))
          waits.length = 0
          // The standby does not have the row, so that the answer is seen to be taken for what it says.
          const seen = yield* whilePaused(pair, Effect.andThen(db.execute(insert), read(db)))
          assert.strictEqual(seen, found)
          assert.strictEqual(waits.length, 1)
          assert.match(waits[0]!, /^WAIT FOR LSN '[0-9a-f]+\/[0-9a-f]+' WITH \(TIMEOUT '7000ms', NO_THROW\)$/)
        }).pipe(Effect.scoped, Effect.provideService(Transport, transport))
      }
    })
  )
})
