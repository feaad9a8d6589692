/** Messages that a session sends on its own stay out of the data of a COPY and the fetches of a portal. */
import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { identifier, sql } = Statement

const bytes = (text: string) => new TextEncoder().encode(text)

/** A COPY of one row that continues until it is told to end. */
const slowCopy = Effect.fnUntraced(function*(session: Session.Session, table: Statement.Statement) {
  const begun = yield* Deferred.make<void>()
  const end = yield* Deferred.make<void>()
  const data = Stream.fromEffect(Effect.as(Deferred.succeed(begun, undefined), bytes("1\n"))).pipe(
    Stream.concat(Stream.fromEffect(Effect.as(Deferred.await(end), bytes("2\n"))))
  )
  const copying = yield* forkImmediately(session.copyIn(sql`copy ${table} from stdin`, data))
  return { begun: Deferred.await(begun), end: Deferred.succeed(end, undefined), copying }
})

describeServers({
  postgres(it) {
    it.effect("closing a prepared statement during a COPY sends Close after the COPY", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("closing"))
        yield* session.query(sql`create table ${table} (a int)`)
        const scope = yield* Scope.make()
        const prepared = yield* Scope.provide(session.prepare("select 1 as a"), scope)
        assert.strictEqual((yield* prepared.execute()).rowCount, 1)
        const { begun, copying, end } = yield* slowCopy(session, table)
        yield* begun
        const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
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

    it.effect("closing a prepared statement during a stream with fetchSize sends Close after the stream", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
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

    it.effect("queries behind a COPY without data are not taken for its data", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("refused")
        yield* session.simple(`create table ${table} (a int)`)
        const copying = yield* forkImmediately(Effect.flip(session.simple(`select 1; copy ${table} from stdin`)))
        const behind = [
          yield* forkImmediately(session.query("select 1 as a")),
          yield* forkImmediately(session.query("select 1 as a"))
        ]
        assert.strictEqual((yield* Fiber.join(copying))._tag, "UnsupportedError")
        for (const fiber of behind) assert.deepStrictEqual((yield* Fiber.join(fiber)).rows, [{ a: 1 }])
      }))

    it.effect("types are looked up after a COPY that began in the meantime", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("learning"))
        const mood = identifier(uniqueName("mood"))
        yield* session.simple(sql`create table ${table} (a int)`.text)
        yield* session.simple(sql`create type ${mood} as enum ('glad')`.text)
        const asking = yield* forkImmediately(session.values(sql`select 'glad'::${mood}`))
        const { copying, end } = yield* slowCopy(session, table)
        yield* Effect.sleep("50 millis")
        yield* end
        assert.strictEqual((yield* Fiber.join(copying)).rowCount, 2)
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["glad"]])
      }))
  }
})
