// PGlite as the server, as a further check of `npm run reach`, on the runtimes that start PGlite from its npm package.
import type { PGliteInterface } from "@electric-sql/pglite"
import { Client, Session, Statement } from "@hyperfect/client"
import { Pglite } from "@hyperfect/pglite"
import { Effect, Fiber, Stream } from "effect"
import { copy, same } from "./reachChecks.ts"

const { sql } = Statement

const program = Effect.gen(function*() {
  const session = yield* Session.make(Pglite.config)
  yield* Effect.provideService(copy(5_000), Client.Client, session)
  const { rows } = yield* session.values(sql`select count(*), max(n) from copied where n < ${4_000}`)
  same(rows, [[BigInt(4_000), 3_999]])

  const heard = yield* Effect.forkScoped(Stream.runHead(session.notifications), { startImmediately: true })
  yield* session.query("listen reach")
  yield* session.query("notify reach, 'hello'")
  const notification = yield* Fiber.join(heard)
  same(notification._tag === "Some" && notification.value.payload, "hello")

  const error = yield* Effect.flip(session.query("select 1/0"))
  same(error._tag === "ServerError" && error.reason.sqlState, "22012")
  same((yield* session.values("select 7")).rows, [[7]])
})

/** A query, COPY in both directions, a notification and an error. */
export const pgliteCheck = (open: () => Promise<PGliteInterface>) =>
  Effect.acquireUseRelease(
    Effect.promise(open),
    (db) => Effect.provide(Effect.scoped(program), Pglite.layer(db)),
    (db) => Effect.promise(() => db.close())
  )
