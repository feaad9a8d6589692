/** Reads from a standby that streams from the primary. */
import { assert, layer } from "@effect/vitest"
import * as Query from "@hyperfect/client/Query"
import type * as Replicas from "@hyperfect/client/Replicas"
import { sql } from "@hyperfect/client/Statement"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import type * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { uniqueName } from "./liveServers.ts"
import { waitUntil } from "./pools.ts"
import { makeRecorder } from "./recorder.ts"
import { count, isStandby, makeAsynchronousPair, open, readerOf, readOnly, readsFrom, whilePaused } from "./replicas.ts"

/** A primary and a standby, which no commit waits for. */
class Pair extends Context.Service<Pair, PostgresServer.Pair>()("test/Pair") {}

const layerPair = Layer.effect(Pair, makeAsynchronousPair()).pipe(Layer.provideMerge(NodePlatform.layer))

const makeTable = Effect.fnUntraced(function*(db: Replicas.Replicas) {
  const name = uniqueName("numbers")
  yield* db.execute(`create table ${name} (n int)`)
  return { name, count: count(db, name), insert: `insert into ${name} values (1)` }
})

/** The ways in which a client can write a row. */
const writes: Readonly<
  Record<string, (db: Replicas.Replicas, table: string, insert: string) => Effect.Effect<unknown, unknown>>
> = {
  execute: (db, _, insert) => db.execute(insert),
  batch: (db, _, insert) => db.batch(["select 1", insert]),
  pipeline: (db, _, insert) => db.pipeline([insert, "select 1"]),
  simple: (db, _, insert) => db.simple(insert),
  stream: (db, _, insert) => Stream.runDrain(db.streamValues(`${insert} returning n`)),
  "an unfinished stream": (db, _, insert) =>
    Effect.scoped(Effect.gen(function*() {
      const pull = yield* Stream.toPull(db.streamValues(`${insert} returning n`, { fetchSize: 10 }))
      yield* Effect.ignore(Effect.forever(pull))
    })),
  copyIn: (db, table) => db.copyIn(`copy ${table} from stdin`, Stream.make(new TextEncoder().encode("1\n"))),
  transaction: (db, _, insert) => db.transaction(db.execute(insert)),
  "a serializable transaction": (db, _, insert) =>
    db.transaction(db.execute(insert), { isolation: "serializable", access: "read write" }),
  retryTransaction: (db, _, insert) => db.retryTransaction(db.execute(insert)),
  "a prepared statement": (db, _, insert) =>
    Effect.scoped(Effect.flatMap(db.prepare(insert), ({ execute }) => execute())),
  session: (db, _, insert) => Effect.scoped(Effect.flatMap(db.session, (session) => session.execute(insert))),
  "a transaction on a session": (db, _, insert) =>
    Effect.scoped(Effect.flatMap(db.session, (session) => session.transaction(session.execute(insert)))),
  "a commit that waits for nothing": (db, _, insert) =>
    db.transaction(Effect.andThen(db.execute("set local synchronous_commit = off"), db.execute(insert))),
  "a transaction whose settings let it wait for nothing": (db, _, insert) =>
    db.transaction(db.execute(insert), { settings: { synchronous_commit: "off" } }),
  "a commit that waits for nothing, by a parameter": (db, _, insert) =>
    db.transaction(
      Effect.andThen(db.execute(sql`select set_config(${"synchronous_commit"}, ${"off"}, true)`), db.execute(insert))
    )
}

layer(layerPair, { excludeTestServices: true, timeout: "60 seconds" })("Replicas", (it) => {
  it.effect("read on a standby what the client wrote on the primary", () =>
    Effect.gen(function*() {
      const pair = yield* Pair
      const { spans, traced } = makeRecorder()
      const db = yield* open(pair, { maxWait: "30 seconds" })
      const { count, insert } = yield* makeTable(db)
      assert.isFalse(yield* isStandby(db))
      for (let n = 1; n <= 20; n++) {
        yield* db.execute(insert)
        assert.deepStrictEqual(yield* db.transaction(Effect.all([isStandby(db), count]), readOnly), [true, n])
      }
      yield* traced(readerOf(db))
      const span = spans.find(({ name }) => name.startsWith("TRANSACTION"))!
      assert.strictEqual(span.attributes.get("hyperfect.role"), "standby")
      assert.strictEqual(span.attributes.get("server.port"), pair.standby.endpoint.port)
      assert.isFalse(span.attributes.has("hyperfect.fallback"))
      assert.strictEqual(db.standbyStats().size, 1)
    }))

  it.effect.each(Object.keys(writes))(
    "read on the primary while the standby lacks what was written: %s",
    (kind) =>
      Effect.gen(function*() {
        const pair = yield* Pair
        const db = yield* open(pair, { maxWait: "5 millis" })
        const { count, insert, name } = yield* makeTable(db)
        yield* readsFrom(db, "standby")
        const { spans, traced } = makeRecorder()
        yield* whilePaused(
          pair,
          Effect.gen(function*() {
            yield* writes[kind]!(db, name, insert)
            assert.deepStrictEqual(
              yield* traced(db.transaction(Effect.all([isStandby(db), count]), readOnly)),
              [false, 1]
            )
          })
        )
        const span = spans.find(({ name }) => name.startsWith("TRANSACTION"))!
        assert.strictEqual(span.attributes.get("hyperfect.role"), "primary")
        assert.isTrue(span.attributes.has("hyperfect.fallback"))
        assert.strictEqual(span.attributes.get("server.port"), pair.primary.endpoint.port)
        yield* readsFrom(db, "standby")
        assert.strictEqual(yield* db.transaction(count, readOnly), 1)
      })
  )

  it.effect("see commits confirmed to another fiber while a stream, a statement and a session are open", () =>
    Effect.gen(function*() {
      const pair = yield* Pair
      const db = yield* open(pair, { maxWait: "5 millis" })
      const { count, insert } = yield* makeTable(db)
      const session = yield* db.session
      const { execute } = yield* db.prepare(insert)
      yield* readsFrom(db, "standby")
      yield* whilePaused(
        pair,
        Effect.gen(function*() {
          yield* session.execute(insert)
          assert.strictEqual(yield* db.transaction(count, readOnly), 1)
          yield* execute()
          assert.strictEqual(yield* db.transaction(count, readOnly), 2)
          yield* session.execute(insert)
          assert.strictEqual(yield* db.transaction(count, readOnly), 3)
        })
      )
    }))

  it.effect("wait for the standby, for up to maxWait", () =>
    Effect.gen(function*() {
      const pair = yield* Pair
      const db = yield* open(pair, { maxWait: "30 seconds" })
      const { count, insert } = yield* makeTable(db)
      yield* readsFrom(db, "standby")
      const reading = yield* whilePaused(
        pair,
        Effect.gen(function*() {
          yield* db.execute(insert)
          const reading = yield* forkImmediately(db.transaction(Effect.all([isStandby(db), count]), readOnly))
          yield* waitUntil(() => db.standbyStats().taken === 1)
          return reading
        })
      )
      assert.deepStrictEqual(yield* Fiber.join(reading), [true, 1])
    }))

  it.effect("ask no server for its position while nothing is written", () =>
    Effect.gen(function*() {
      const { spans, traced } = makeRecorder()
      const db = yield* open(yield* Pair, { maxWait: "30 seconds" })
      const names = Effect.map(traced(readerOf(db)), () => spans.splice(0).map(({ name }) => name))
      yield* readsFrom(db, "standby")
      assert.deepStrictEqual(yield* names, ["TRANSACTION postgres", "SELECT postgres"])
      yield* makeTable(db)
      assert.include(yield* names, "SELECT postgres")
      assert.deepStrictEqual(yield* names, ["TRANSACTION postgres", "SELECT postgres"])
    }))

  it.effect("refuse a write in a read-only transaction, on either server, and do not repeat it elsewhere", () =>
    Effect.gen(function*() {
      const pair = yield* Pair
      const db = yield* open(pair, { maxWait: "5 millis" })
      const { count, insert } = yield* makeTable(db)
      const ran: Array<boolean> = []
      const refused = Effect.flip(
        db.retryTransaction(
          isStandby(db).pipe(
            Effect.tap((isStandby) => Effect.sync(() => ran.push(isStandby))),
            Effect.andThen(db.execute(insert))
          ),
          readOnly
        )
      )
      yield* readsFrom(db, "standby")
      const onStandby = yield* refused
      const onPrimary = yield* whilePaused(pair, Effect.andThen(db.execute(insert), refused))
      for (const error of [onStandby, onPrimary]) {
        assert(error._tag === "ServerError")
        assert.deepInclude(error.reason, { _tag: "ReadOnlySqlTransaction", sqlState: "25006" })
        assert.isFalse(error.isRetryable)
      }
      assert.deepStrictEqual(ran, [true, false])
      assert.strictEqual(yield* count, 1)
    }))

  it.effect("keep a transaction on its server, with the savepoints and statements in it", () =>
    Effect.gen(function*() {
      const db = yield* open(yield* Pair, { maxWait: "30 seconds" })
      yield* readsFrom(db, "standby")
      const inside = Effect.all({
        query: isStandby(db),
        savepoint: db.transaction(isStandby(db)),
        stream: Effect.map(
          Stream.runCollect(db.streamValues("select pg_is_in_recovery()")),
          ([row]) => row![0] === true
        ),
        prepared: Effect.scoped(
          Effect.flatMap(db.prepare("select pg_is_in_recovery()"), ({ values }) =>
            Effect.map(values(), ({ rows }) => rows[0]![0] === true))
        ),
        outside: Query.outsideTransaction(isStandby(db))
      })
      assert.deepStrictEqual(yield* db.transaction(inside, readOnly), {
        query: true,
        savepoint: true,
        stream: true,
        prepared: true,
        outside: false
      })
      assert.deepStrictEqual(yield* db.transaction(inside), {
        query: false,
        savepoint: false,
        stream: false,
        prepared: false,
        outside: false
      })
      for (const options of [undefined, readOnly]) {
        const error = yield* Effect.flip(db.transaction(readerOf(db), options))
        assert.strictEqual(error._tag, "UnsupportedError")
      }
      assert.isFalse(yield* db.transaction(isStandby(db), { ...readOnly, isolation: "serializable" }))
      assert.isTrue(yield* db.transaction(isStandby(db), { ...readOnly, isolation: "repeatable read" }))
    }))

  it.effect("run the effect once, be it interrupted, failing or dying", () =>
    Effect.gen(function*() {
      const db = yield* open(yield* Pair, { maxWait: "30 seconds" })
      yield* readsFrom(db, "standby")
      let runs = 0
      const once = <A, E>(effect: Effect.Effect<A, E>) =>
        db.transaction(Effect.andThen(Effect.sync(() => runs++), effect), readOnly)
      assert.strictEqual(yield* Effect.flip(once(Effect.fail("no"))), "no")
      assert.strictEqual((yield* Effect.exit(once(Effect.die("bug"))))._tag, "Failure")
      const begun = yield* Deferred.make<void>()
      const reading = yield* forkImmediately(once(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(reading)
      assert.strictEqual(runs, 3)
      assert.isTrue(yield* readerOf(db))
      yield* waitUntil(() => db.standbyStats().idle === db.standbyStats().size)
    }))

  it.effect("show each reader the confirmed commits, in order, while others write", () =>
    Effect.gen(function*() {
      const db = yield* open(yield* Pair, { max: 8, maxWait: "20 millis" })
      const table = uniqueName("lists")
      yield* db.execute(`create table ${table} (key int primary key, list int[] not null default '{}')`)
      yield* db.execute(`insert into ${table} select generate_series(0, 3)`)
      let next = 0
      const answered: Array<Array<number>> = [[], [], [], []]
      const append = (key: number) =>
        Effect.suspend(() => {
          const value = next++
          return db.execute(`update ${table} set list = list || ${value} where key = ${key}`).pipe(
            Effect.andThen(Effect.sync(() => answered[key]!.push(value)))
          )
        })
      const lists: Array<Array<ReadonlyArray<number>>> = [[], [], [], []]
      const read = (key: number) =>
        Effect.gen(function*() {
          const told = [...answered[key]!]
          const { rows } = yield* db.transaction(db.values(`select list from ${table} where key = ${key}`), readOnly)
          const list = rows[0]![0] as ReadonlyArray<number>
          assert.deepStrictEqual(told.filter((value) => !list.includes(value)), [])
          lists[key]!.push(list)
        })
      yield* Effect.forEach(
        Array.from({ length: 400 }, (_, index) => index),
        (index) => (index % 2 === 0 ? append : read)((index >> 1) % 4),
        { concurrency: 12, discard: true }
      )
      for (const key of [0, 1, 2, 3]) {
        const { rows } = yield* db.values(`select list from ${table} where key = ${key}`)
        const final = rows[0]![0] as ReadonlyArray<number>
        assert.sameMembers([...final], answered[key]!)
        for (const list of lists[key]!) assert.deepStrictEqual(final.slice(0, list.length), list)
      }
    }))
})
