import { assert, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import { sql, type Statement } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Data, Deferred, Effect, Fiber, Layer, Schema, Stream } from "effect"

class SourceFailed extends Data.TaggedError("SourceFailed") {}

const database = "idle.hyper"

const Point = HyperTable.make("points", { id: Schema.Int, name: Schema.String })

const row = (id: number) => ({ id, name: `the name of ${id}` })

/** More than a message. */
const many = Array.from({ length: 100_000 }, (_, id) => row(id))

/** The Arrow schema message with the IPC framing of an empty stream, without its end marker. */
const arrowStart = Effect.map(
  HyperArrow.collect(sql`select 1 as id where false`),
  (bytes) => bytes.subarray(0, -8)
)

/** The ways to insert, each from a source that has too little for a message and then waits. */
const inserters: ReadonlyArray<
  readonly [name: string, insert: (wait: Effect.Effect<never>) => Effect.Effect<unknown, unknown, Client>]
> = [
  ["HyperTable.insert of nothing", (wait) => Point.insert(Stream.fromEffect(wait))],
  ["HyperTable.insert", (wait) => Point.insert(Stream.concat(Stream.make(row(1)), Stream.fromEffect(wait)))],
  ["Copy.into", (wait) => Copy.into(Stream.concat(Stream.make(row(1)), Stream.fromEffect(wait)), Point)],
  [
    "HyperArrow.insert",
    (wait) =>
      Effect.flatMap(
        arrowStart,
        (start) => HyperArrow.insert(Point, Stream.concat(Stream.make(start), Stream.fromEffect(wait)))
      )
  ]
]

/** Runs an effect in a session of its own. */
const inSession = <A, E, R>(effect: Effect.Effect<A, E, R | Client>) =>
  Effect.scoped(Effect.flatMap(Hyper.make({ database }), (session) => Effect.provideService(effect, Client, session)))

const count = (statement: Statement = sql`select count(*) from ${Point}`) =>
  Effect.flatMap(Client, (client) => Effect.map(client.values(statement), ({ rows }) => Number(rows[0]![0])))

const open = Effect.gen(function*() {
  const session = yield* Hyper.make({ database, create: "if-not-exists" })
  yield* Effect.provideService(Effect.andThen(Point.dropIfExists, Point.create), Client, session)
  return session
})

layer(HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer)), { excludeTestServices: true })(
  "inserts whose source is idle",
  (it) => {
    for (const [name, insert] of inserters) {
      it.effect(`H5: ${name} does not block readers of its table before it has data for a message`, () =>
        Effect.gen(function*() {
          const session = yield* open
          const inserting = yield* Effect.forkChild(
            Effect.all(Array.from({ length: 6 }, () => inSession(insert(Effect.never))), { concurrency: "unbounded" })
          )
          yield* Effect.sleep("300 millis")
          for (const statement of [sql`select count(*) from ${Point}`, sql`select 0`]) {
            const read = Effect.provideService(count(statement), Client, session)
            assert.strictEqual(yield* Effect.timeout(read, "20 seconds"), 0)
            assert.strictEqual(yield* Effect.timeout(inSession(count(statement)), "20 seconds"), 0)
          }
          yield* Fiber.interrupt(inserting)
          const dropped = Effect.provideService(Effect.andThen(Point.insert([row(1)]), Point.drop), Client, session)
          yield* Effect.timeout(dropped, "20 seconds")
        }))
    }

    it.effect("an insert keeps the rows from before and after a pause, in their order", () =>
      Effect.gen(function*() {
        const session = yield* open
        yield* Effect.gen(function*() {
          const progress: Array<number> = []
          const source = Stream.make(row(0)).pipe(
            Stream.concat(Stream.drain(Stream.fromEffect(Effect.sleep("50 millis")))),
            Stream.concat(Stream.fromIterable(many.slice(1)))
          )
          const { rows } = yield* Point.insert(source, {
            messageSize: 100_000,
            onProgress: (progressed) => Effect.sync(() => progress.push(progressed.rows))
          })
          assert.strictEqual(rows, many.length)
          assert.strictEqual(progress.at(-1), many.length)
          assert.strictEqual(yield* count(sql`select sum(id) from ${Point}`), many.length * (many.length - 1) / 2)
        }).pipe(Effect.provideService(Client, session))
      }))

    it.effect("an insert that fails or is interrupted before or after its first message has no effect", () =>
      Effect.gen(function*() {
        const session = yield* open
        yield* Effect.gen(function*() {
          for (const rows of [[row(1)], many]) {
            const failing = Stream.concat(Stream.fromIterable(rows), Stream.fail(new SourceFailed()))
            assert.strictEqual((yield* Effect.flip(Point.insert(failing)))._tag, "SourceFailed")
            let isReleased = false
            const begun = yield* Deferred.make<void>()
            const wait = Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
            const waiting = Stream.concat(Stream.fromIterable(rows), wait).pipe(
              Stream.ensuring(Effect.sync(() => {
                isReleased = true
              }))
            )
            const inserting = yield* Effect.forkChild(Point.insert(waiting))
            yield* Deferred.await(begun)
            yield* Fiber.interrupt(inserting)
            assert.isTrue(isReleased)
            assert.strictEqual(yield* count(), 0)
          }
        }).pipe(Effect.provideService(Client, session))
      }))

    it.effect("an insert whose source queries its own session fails instead of waiting for itself", () =>
      Effect.gen(function*() {
        const session = yield* open
        const rows = Stream.mapEffect(Stream.make(1, 2), (id) => Effect.as(session.query("select 1"), row(id)))
        const error = yield* Effect.flip(Effect.provideService(Point.insert(rows), Client, session))
        assert.strictEqual(error._tag, "UnsupportedError")
        assert.strictEqual(yield* Effect.provideService(count(), Client, session), 0)
      }))

    it.effect("an insert into a missing table fails with the server's error", () =>
      Effect.gen(function*() {
        const session = yield* open
        const Missing = HyperTable.make("missing", { id: Schema.Int })
        const error = yield* Effect.flip(Effect.provideService(Missing.insert(Stream.never), Client, session))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "UndefinedTable")
      }))
  }
)

layer(NodePlatform.layer, { excludeTestServices: true })(
  "inserts whose source is idle on a server that exits",
  (it) => {
    it.effect("fail, although they wait for data", () =>
      Effect.gen(function*() {
        const server = yield* HyperdServer.make()
        const inserting = yield* Effect.gen(function*() {
          const session = yield* open
          return yield* Effect.forkChild(
            Effect.flip(Effect.provideService(Point.insert(Stream.never), Client, session))
          )
        }).pipe(Effect.provideService(Hyperd, server))
        yield* Effect.sleep("200 millis")
        process.kill(server.pid, "SIGKILL")
        const error = yield* Effect.timeout(Fiber.join(inserting), "20 seconds")
        assert.strictEqual(error._tag, "TransportError")
      }).pipe(
        Effect.scoped,
        Effect.exit,
        Effect.map((exit) => {
          // The databases of the killed server are not saved, of which the end of the scope tells.
          assert.include(String(exit), "SaveError")
        })
      ))
  }
)
