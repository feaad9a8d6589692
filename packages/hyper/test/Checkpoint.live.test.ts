import { assert, describe, it } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import { sql } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as HyperdModule from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Cause, Context, Effect, Exit, Layer, Logger, Schedule, Schema } from "effect"
import { copyFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { fill, fullDisk } from "./fullDisk.ts"

const Row = HyperTable.make("rows", { n: Schema.Int })

const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

const count = Effect.flatMap(Client, (client) => client.values(sql`select count(*)::int from ${Row}`)).pipe(
  Effect.map(({ rows }) => Number(rows[0]![0]))
)

/** Another server, which opens the copies. */
class Reader extends Context.Service<Reader, Hyperd["Service"]>()("test/Reader") {}

let copies = 0

/** Counts the rows that another server finds in a copy of a database of the server. */
const rowsInCopy = (database: string) =>
  Effect.gen(function*() {
    const { workingDirectory } = yield* Hyperd
    const copy = join(workingDirectory, `copy ${copies++}.hyper`)
    copyFileSync(join(workingDirectory, database), copy)
    return yield* Effect.provideService(Hyper.withDatabase(count, { database: copy }), Hyperd, yield* Reader)
  })

/** Waits until a copy has so many rows. A copy taken while the server writes may not open. */
const untilSaved = (database: string, rows: number) =>
  rowsInCopy(database).pipe(
    Effect.flatMap((found) => found === rows ? Effect.void : Effect.fail(`found ${found} rows`)),
    Effect.retry(Schedule.spaced("20 millis"))
  )

const live = Layer.merge(HyperdServer.layer(), Layer.effect(Reader, HyperdServer.make())).pipe(
  Layer.provideMerge(NodePlatform.layer)
)

describe.each([
  ["a session", {}],
  ["a pool", { pool: { min: 2, max: 3 } }]
])("checkpoints of %s", (_, options) => {
  it.live("are made at an interval", () =>
    Effect.gen(function*() {
      yield* Row.create
      for (const rows of [10, 20]) {
        yield* Row.insert(numbers(10))
        yield* untilSaved("interval.hyper", rows)
      }
    }).pipe(
      Hyper.withDatabase({ ...options, database: "interval.hyper", create: "replace", checkpoint: "100 millis" }),
      Effect.provide(live, { local: true })
    ), 60_000)

  it.live("are made each time that so many rows were copied", () =>
    Effect.gen(function*() {
      yield* Row.create
      yield* Row.insert(numbers(60))
      yield* Effect.sleep("200 millis")
      assert.notDeepEqual(yield* Effect.exit(rowsInCopy("rows.hyper")), Exit.succeed(60))
      yield* Row.insert(numbers(60))
      yield* untilSaved("rows.hyper", 120)
      const client = yield* Client
      yield* client.transaction(Effect.andThen(Row.insert(numbers(100)), Row.insert(numbers(5))))
      yield* untilSaved("rows.hyper", 225)
    }).pipe(
      Hyper.withDatabase({ ...options, database: "rows.hyper", create: "replace", checkpoint: { everyRows: 100 } }),
      Effect.provide(live, { local: true })
    ), 60_000)

  it.live("are postponed while another session has the database", () => {
    const messages: Array<string> = []
    const logger = Logger.make(({ message }) => void messages.push(String(message)))
    return Effect.gen(function*() {
      yield* Row.create
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Hyper.make({ attach: { other: "shared.hyper" } })
        yield* Row.insert(numbers(10))
        while (messages.length === 0) yield* Effect.sleep("20 millis")
        assert.match(messages.join(), /no checkpoint was made.*used by another session/s)
      }))
      yield* untilSaved("shared.hyper", 10)
    }).pipe(
      Hyper.withDatabase({ ...options, database: "shared.hyper", create: "replace", checkpoint: "100 millis" }),
      Effect.provide(Logger.layer([logger])),
      Effect.provide(live, { local: true })
    )
  }, 60_000)

  it.live("end the scope with the SaveError if one has lost data", () =>
    Effect.gen(function*() {
      const program = Effect.andThen(fill, Effect.sleep("500 millis"))
      const full = { ...options, database: "full.hyper", create: "replace", checkpoint: "100 millis" } as const
      const hyperd = HyperdModule.layer(yield* fullDisk)
      const error = yield* Effect.flip(
        Effect.provide(Hyper.withDatabase(program, full), hyperd, { local: true })
      )
      assert.include(error, { _tag: "SaveError", outcome: "lost" })
      const exit = yield* Effect.exit(
        Effect.provide(program, Layer.provide(Hyper.layer(full), hyperd), { local: true })
      )
      assert.include(Exit.isFailure(exit) && Cause.squash(exit.cause), { _tag: "SaveError", outcome: "lost" })
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)), 60_000)

  it.live("must have a positive interval or number of rows", () =>
    Effect.gen(function*() {
      for (const checkpoint of [0, -1, "often", { everyRows: 0 }, { everyRows: 1.5 }]) {
        const bad = { ...options, checkpoint } as unknown as Hyper.PoolOptions
        const error = yield* Effect.flip(Hyper.withDatabase(Effect.void, bad))
        assert.include(error, { _tag: "ConnectionConfigError", setting: "checkpoint" })
      }
    }).pipe(Effect.provide(live, { local: true })))
})

describe("Hyper.unload", () => {
  it.live.each([["a session", {}], ["a pool", { pool: {} }]] as const)(
    "saves a database and takes it from all sessions, by %s",
    ([, options]) =>
      Effect.gen(function*() {
        const { workingDirectory } = yield* Hyperd
        const file = join(workingDirectory, "unloaded.hyper")
        const scoped = yield* Hyper.make({ database: file, create: "always" })
        yield* Effect.provideService(Effect.andThen(Row.create, Row.insert(numbers(10))), Client, scoped)
        yield* Hyper.withDatabase(Row.create, { database: "kept.hyper", create: "always" })
        yield* Effect.gen(function*() {
          yield* Hyper.attach(file, "mine")
          yield* Hyper.unload(file)
          const kept = HyperTable.make("rows", { n: Schema.Int }, { database: "kept" })
          if (!("pool" in options)) yield* kept.insert(numbers(1))
          assert.strictEqual((yield* Effect.flip(Effect.provideService(count, Client, scoped)))._tag, "TransportError")
          renameSync(file, join(workingDirectory, "moved.hyper"))
          assert.strictEqual(yield* rowsInCopy("moved.hyper"), 10)
          renameSync(join(workingDirectory, "moved.hyper"), file)
          assert.strictEqual(yield* Hyper.withDatabase(count, { database: file }), 10)
          const missing = yield* Effect.flip(Hyper.unload("missing.hyper"))
          assert.isTrue(missing._tag === "DatabaseError" && missing.reason._tag === "Missing")
        }).pipe(Hyper.withDatabase({ ...options, attach: { kept: "kept.hyper" } }))
      }).pipe(
        Effect.scoped,
        Effect.exit,
        // The session that lost its connection cannot tell that the database was saved.
        Effect.tap((exit) =>
          Effect.sync(() => {
            const causes = Exit.isFailure(exit) ? exit.cause.reasons : []
            assert.deepStrictEqual(
              causes.map((reason) => Cause.isDieReason(reason) && (reason.defect as { _tag: string })._tag),
              ["SaveError"]
            )
          })
        ),
        Effect.provide(live, { local: true })
      )
  )
})
