/** What a session writes by itself keeps out of a dialogue: of the data of a COPY, and of the fetches of a portal. */
import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { start } from "./fibers.ts"
import { fresh, open, servers } from "./servers.ts"

const { identifier, sql } = Statement

const bytes = (text: string) => new TextEncoder().encode(text)

/** A COPY of one row that goes on until it is told to end. */
const slowCopy = Effect.fnUntraced(function*(session: Session.Session, table: Statement.Statement) {
  const begun = yield* Deferred.make<void>()
  const end = yield* Deferred.make<void>()
  const data = Stream.fromEffect(Effect.as(Deferred.succeed(begun, undefined), bytes("1\n"))).pipe(
    Stream.concat(Stream.fromEffect(Effect.as(Deferred.await(end), bytes("2\n"))))
  )
  const copying = yield* start(session.copyIn(sql`copy ${table} from stdin`, data))
  return { begun: Deferred.await(begun), end: Deferred.succeed(end, undefined), copying }
})

servers({
  postgres(it) {
    it.effect("a prepared statement that is closed in the middle of a COPY is closed behind it", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const table = identifier(fresh("closing"))
        yield* session.query(sql`create table ${table} (a int)`)
        const scope = yield* Scope.make()
        const prepared = yield* Scope.provide(session.prepare("select 1 as a"), scope)
        assert.strictEqual((yield* prepared.execute()).rowCount, 1)
        const { begun, copying, end } = yield* slowCopy(session, table)
        yield* begun
        const closing = yield* start(Scope.close(scope, Exit.void))
        yield* Effect.sleep("20 millis")
        yield* end
        assert.strictEqual((yield* Fiber.join(copying)).rowCount, 2)
        yield* Fiber.join(closing)
        assert.deepStrictEqual(
          (yield* session.values("select count(*)::int from pg_prepared_statements where statement = 'select 1 as a'"))
            .rows,
          [[0]]
        )
      }))

    it.effect("... and in the middle of a stream that fetches", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const scope = yield* Scope.make()
        yield* Scope.provide(session.prepare("select 1 as a"), scope)
        const rows = yield* session.streamValues("select n::int from generate_series(1, 6) as g(n)", { fetchSize: 2 })
          .pipe(
            Stream.tap(([n]) =>
              n === 3
                ? Effect.asVoid(Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true }))
                : Effect.void
            ),
            Stream.runCollect
          )
        assert.lengthOf(rows, 6)
        assert.strictEqual((yield* session.query("select 1 as a")).rowCount, 1)
      }))

    it.effect("what is asked behind a COPY without data is not taken for its data", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const table = fresh("refused")
        yield* session.simple(`create table ${table} (a int)`)
        const copying = yield* start(Effect.flip(session.simple(`select 1; copy ${table} from stdin`)))
        const behind = [yield* start(session.query("select 1 as a")), yield* start(session.query("select 1 as a"))]
        assert.strictEqual((yield* Fiber.join(copying))._tag, "UnsupportedError")
        for (const fiber of behind) assert.deepStrictEqual((yield* Fiber.join(fiber)).rows, [{ a: 1 }])
      }))

    it.effect("types are looked up behind a COPY that has begun meanwhile", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const table = identifier(fresh("learning"))
        const mood = identifier(fresh("mood"))
        yield* session.simple(sql`create table ${table} (a int)`.text)
        yield* session.simple(sql`create type ${mood} as enum ('glad')`.text)
        const asking = yield* start(session.values(sql`select 'glad'::${mood}`))
        const { copying, end } = yield* slowCopy(session, table)
        yield* Effect.sleep("50 millis")
        yield* end
        assert.strictEqual((yield* Fiber.join(copying)).rowCount, 2)
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["glad"]])
      }))
  }
})
