/** Migrations, models, key-value stores, queues, event logs and a cluster of Effect on the SqlClient. */
import { assert, layer } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import { Effect, Exit, Layer, Option, Schema, Stream } from "effect"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as Entity from "effect/cluster/Entity"
import * as SingleRunner from "effect/cluster/SingleRunner"
import * as EventJournal from "effect/eventlog/EventJournal"
import type { StoreId } from "effect/eventlog/EventLogMessage"
import * as SqlEventJournal from "effect/eventlog/SqlEventJournal"
import * as SqlEventLogServerEncrypted from "effect/eventlog/SqlEventLogServerEncrypted"
import * as SqlEventLogServerUnencrypted from "effect/eventlog/SqlEventLogServerUnencrypted"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Persistable from "effect/persistence/Persistable"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Persistence from "effect/persistence/Persistence"
import * as Rpc from "effect/rpc/Rpc"
import * as Model from "effect/schema/Model"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlModel from "effect/sql/SqlModel"
import * as SqlResolver from "effect/sql/SqlResolver"
import * as SqlSchema from "effect/sql/SqlSchema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import { layerHyperSql, layerServer } from "./servers.ts"

class Person extends Model.Class<Person>("Person")({
  id: Model.Field({ select: Schema.Int, update: Schema.Int, json: Schema.Int }),
  name: Schema.String,
  createdAt: Model.DateTimeInsertFromDate
}) {}

class Square extends Persistable.Class<{ payload: { readonly n: number } }>()("Square", {
  primaryKey: ({ n }) => String(n),
  success: Schema.Int,
  error: Schema.String
}) {}

const Add = Rpc.make("Add", {
  payload: { n: Schema.Int },
  success: Schema.Int,
  primaryKey: ({ n }) => String(n)
}).annotate(ClusterSchema.Persisted, true)
const Total = Entity.make("Total", [Add])

const Double = Workflow.make("Double", {
  payload: { n: Schema.Int },
  success: Schema.Int,
  idempotencyKey: ({ n }) => String(n)
})

const makeEntry = (primaryKey: string) =>
  new EventJournal.Entry({
    id: EventJournal.makeEntryIdUnsafe(),
    event: "Renamed",
    primaryKey,
    payload: new TextEncoder().encode(primaryKey)
  }, { disableChecks: true })

const live = Layer.provideMerge(layerHyperSql({ max: 6 }), layerServer)

layer(live, { excludeTestServices: true, timeout: "60 seconds" })("HyperSql > stores of Effect", (it) => {
  it.effect("Migrator runs each migration once", () =>
    Effect.gen(function*() {
      const migrate = Migrator.make({})({
        loader: Migrator.fromRecord({
          "0001_people": SqlClient.SqlClient.use((sql) => sql`create table migrated (id int)`),
          "0002_more": SqlClient.SqlClient.use((sql) => sql`alter table migrated add column name text`)
        } as never)
      })
      assert.deepStrictEqual(yield* migrate, [[1, "people"], [2, "more"]])
      assert.deepStrictEqual(yield* migrate, [])
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select * from migrated`, [])
    }))

  it.effect("SqlModel inserts, updates, finds and deletes", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table modelled (
        id int generated always as identity, name text, "createdAt" timestamptz not null)`
      const people = yield* SqlModel.makeRepository(Person, {
        tableName: "modelled",
        spanPrefix: "Person",
        idColumn: "id"
      })
      const ada = yield* people.insert(Person.insert.make({ name: "ada" }))
      assert.strictEqual(ada.name, "ada")
      const eve = yield* people.update(Person.update.make({ id: ada.id, name: "eve" }))
      assert.deepStrictEqual(yield* people.findById(ada.id), eve)
      yield* people.delete(ada.id)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(people.findById(ada.id))))
    }))

  it.effect("SqlSchema and SqlResolver decode rows, and batch requests into one statement", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const Row = Schema.Struct({ n: Schema.Int })
      const below = SqlSchema.findAll({
        Request: Schema.Int,
        Result: Row,
        execute: (limit) => sql`select n from generate_series(1, 100) g(n) where n < ${limit}`
      })
      assert.deepStrictEqual(yield* below(3), [{ n: 1 }, { n: 2 }])
      let batches = 0
      const resolver = SqlResolver.ordered({
        Request: Schema.Int,
        Result: Row,
        execute: (numbers) => {
          batches++
          return sql<{ n: number }>`select n * 2 as n from unnest(${[
            ...numbers
          ]}::int[]) with ordinality u(n, i) order by i`
        }
      })
      const double = SqlResolver.request(resolver)
      const doubled = yield* Effect.forEach([3, 1, 2], double, { concurrency: "unbounded" })
      assert.deepStrictEqual(doubled, [{ n: 6 }, { n: 2 }, { n: 4 }])
      assert.strictEqual(batches, 1)
    }))

  it.effect("KeyValueStore keeps texts and bytes", () =>
    Effect.gen(function*() {
      const store = yield* KeyValueStore.KeyValueStore
      yield* store.set("text", "a")
      yield* store.set("text", "b")
      yield* store.set("bytes", new Uint8Array([0, 255]))
      assert.strictEqual(yield* store.get("text"), "b")
      assert.deepStrictEqual(yield* store.getUint8Array("bytes"), new Uint8Array([0, 255]))
      yield* store.remove("text")
      assert.isFalse(yield* store.has("text"))
      assert.strictEqual(yield* store.size, 1)
    }).pipe(Effect.provide(KeyValueStore.layerSql())))

  it.effect("Persistence keeps exits, of both layouts", () =>
    Effect.forEach(
      [Persistence.layerSql, Persistence.layerSqlMultiTable],
      (layer) =>
        Effect.scoped(Effect.gen(function*() {
          const persistence = yield* Persistence.Persistence
          const store = yield* persistence.make({ storeId: "squares" })
          yield* store.set(new Square({ n: 2 }), Exit.succeed(4))
          yield* store.set(new Square({ n: 3 }), Exit.fail("odd"))
          assert.deepStrictEqual(
            yield* store.getMany([new Square({ n: 2 }), new Square({ n: 3 }), new Square({ n: 4 })]),
            [
              Exit.succeed(4),
              Exit.fail("odd"),
              undefined
            ]
          )
        })).pipe(Effect.provide(layer))
    ))

  it.effect("PersistedQueue delivers each element once, and again after a failure", () =>
    Effect.gen(function*() {
      const queue = yield* PersistedQueue.make({ name: "numbers", schema: Schema.Int })
      yield* queue.offer(1, { id: "one" })
      yield* queue.offer(1, { id: "one" })
      yield* queue.offer(2, { id: "two" })
      const taken: Array<number> = []
      const take = queue.take((n) => Effect.sync(() => taken.push(n)))
      yield* take
      yield* take
      assert.deepStrictEqual(taken.toSorted((a, b) => a - b), [1, 2])
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(take, "300 millis")))
    }).pipe(
      Effect.provide(PersistedQueue.layer.pipe(
        Layer.provide(PersistedQueue.layerStoreSql({ pollInterval: "50 millis" }))
      ))
    ))

  it.effect("SqlEventJournal keeps entries whose effect succeeds, and the sequences of remotes", () =>
    Effect.gen(function*() {
      const journal = yield* SqlEventJournal.make()
      const write = <E>(primaryKey: string, effect: Effect.Effect<void, E>) =>
        journal.write({ event: "Renamed", primaryKey, payload: new Uint8Array([0, 255]), effect: () => effect })
      yield* Effect.exit(write("undone", Effect.fail("undone")))
      yield* write("kept", Effect.void)
      const entries = yield* journal.entries
      assert.deepStrictEqual(entries.map(({ payload, primaryKey }) => [primaryKey, payload]), [
        ["kept", new Uint8Array([0, 255])]
      ])
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 0)
      yield* journal.writeFromRemote({
        remoteId,
        entries: [new EventJournal.RemoteEntry({ remoteSequence: 0, entry: makeEntry("remote") })],
        effect: () => Effect.void
      })
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 1)
      assert.strictEqual((yield* journal.entries).length, 2)
      const uncommitted = yield* journal.withRemoteUncommited(remoteId, (entries) => Effect.succeed(entries.length))
      assert.deepStrictEqual(uncommitted, Option.some(1))
    }))

  it.effect("SqlEventLogServerUnencrypted keeps entries by store, and streams them from a sequence", () =>
    Effect.gen(function*() {
      const storage = yield* SqlEventLogServerUnencrypted.makeStorage({ insertBatchSize: 2 })
      const again = yield* SqlEventLogServerUnencrypted.makeStorage({ insertBatchSize: 2 })
      assert.deepStrictEqual(yield* again.getId, yield* storage.getId)
      const entries = ["ada", "eve", "bob"].map(makeEntry)
      yield* storage.write("one" as StoreId, entries)
      const repeated = yield* Effect.exit(storage.write("one" as StoreId, [makeEntry("undone"), entries[0]!]))
      assert.isTrue(Exit.isFailure(repeated))
      yield* storage.write("two" as StoreId, [makeEntry("eve")])
      const changes = storage.changes({ storeId: "one" as StoreId, startSequence: 0, compactors: new Map() })
      const found = yield* Stream.runCollect(Stream.take(changes, 3))
      assert.deepStrictEqual(found.map(({ remoteSequence }) => remoteSequence), [1, 2, 3])
      assert.deepStrictEqual(found.map(({ entry }) => entry.idString), entries.map(({ idString }) => idString))
    }))

  it.effect("SqlEventLogServerEncrypted binds a session's key once, and keeps the identity of the server", () =>
    Effect.gen(function*() {
      const prefix = { entryTablePrefix: "encrypted_events", remoteIdTable: "encrypted_remote" }
      const storage = yield* SqlEventLogServerEncrypted.makeStorage(prefix)
      const again = yield* SqlEventLogServerEncrypted.makeStorage(prefix)
      assert.deepStrictEqual(yield* again.getId, yield* storage.getId)
      const first = yield* storage.getOrCreateSessionAuthBinding("key", new Uint8Array([1, 2]))
      const second = yield* storage.getOrCreateSessionAuthBinding("key", new Uint8Array([3, 4]))
      assert.deepStrictEqual([first, second], [new Uint8Array([1, 2]), new Uint8Array([1, 2])])
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("entities and workflows of a cluster with one runner handle each message once", () => {
    let total = 0
    let runs = 0
    const handlers = Layer.mergeAll(
      Total.toLayer(Total.of({
        Add: ({ payload }) =>
          Effect.sync(() => {
            total += payload.n
            return total
          })
      })),
      Double.toLayer(({ n }) =>
        Activity.make({
          name: "double",
          success: Schema.Int,
          execute: Effect.sync(() => {
            runs++
            return 2 * n
          })
        })
      )
    )
    return Effect.gen(function*() {
      const clientFor = yield* Total.client
      const totals = clientFor("t")
      assert.strictEqual(yield* totals.Add({ n: 2 }), 2)
      assert.strictEqual(yield* totals.Add({ n: 3 }), 5)
      assert.strictEqual(yield* totals.Add({ n: 3 }), 5)
      assert.strictEqual(yield* Double.execute({ n: 4 }), 8)
      assert.strictEqual(yield* Double.execute({ n: 4 }), 8)
      assert.strictEqual(runs, 1)
    }).pipe(
      Effect.provide(handlers.pipe(
        Layer.provideMerge(ClusterWorkflowEngine.layer),
        Layer.provideMerge(SingleRunner.layer({ shardingConfig: { entityMessagePollInterval: "100 millis" } }))
      ))
    )
  })
})
