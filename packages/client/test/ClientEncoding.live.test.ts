/** Texts are UTF-8 on every session, whatever client_encoding a statement or setting requests. */
import { assert } from "@effect/vitest"
import type { QueryError } from "@hyperfect/client/QueryError"
import { sql } from "@hyperfect/client/Statement"
import { Effect, Exit, Fiber } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

describeServers({
  both(it) {
    it.effect("a client_encoding other than UTF8 is a configuration error", () =>
      Effect.gen(function*() {
        for (const name of ["client_encoding", "Client_Encoding"]) {
          const error = yield* Effect.flip(openSession({ parameters: { [name]: "LATIN1" } }))
          assert.isTrue(error._tag === "ConnectionConfigError" && error.message.includes("client_encoding"))
        }
        for (const encoding of ["utf-8", "Unicode"]) yield* openSession({ parameters: { client_encoding: encoding } })
      }))
  },

  postgres(it) {
    it.effect("statements that set another client_encoding are refused before they are sent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const refused = [
          "set client_encoding = 'LATIN1'",
          "SET SESSION client_encoding TO latin1",
          "set local client_encoding to 'win1252'",
          "set names 'latin1'",
          "/* why */ set names latin1"
        ]
        for (const text of refused) {
          for (
            const run of [
              session.query(text),
              session.simple(text),
              session.simple(`select 1; ${text}`),
              session.batch(["select 1", text]),
              session.describe(text),
              Effect.scoped(session.prepare(text))
            ]
          ) {
            const error = yield* Effect.flip(run as Effect.Effect<unknown, object>)
            assert.deepInclude(error as QueryError, { _tag: "UnsupportedError", sent: "nothing" }, text)
          }
        }
        for (
          const text of [
            "set client_encoding = 'UTF8'",
            "set names 'utf8'",
            "set client_encoding to default",
            "reset client_encoding",
            "select '; set names latin1'"
          ]
        ) {
          yield* session.simple(text)
          yield* session.query(text)
        }
        assert.deepStrictEqual((yield* session.values("select 'Zürich'")).rows, [["Zürich"]])
      }))

    it.effect("a session whose client_encoding changes anyway is closed, and no query behind the change is retryable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const table = uniqueName("towns")
        yield* other.query(`create table ${table} (name text)`)
        const insert = `insert into ${table} values ('Zürich')`
        const change = (encoding: string) =>
          session.query(sql`select set_config('client_encoding', ${encoding}, false)`)
        yield* change("UTF8")
        yield* session.query(insert)
        const changing = yield* forkImmediately(change("LATIN1"))
        const behind = yield* Effect.forEach([1, 2], () => forkImmediately(session.query(insert)))
        const first = yield* Effect.flip(Fiber.join(changing))
        assert.isTrue(first._tag === "ProtocolError" && first.sent === "unknown" && !first.isRetryable)
        for (const fiber of behind) {
          const exit = yield* Fiber.await(fiber)
          assert.isTrue(Exit.isFailure(exit))
          const error = yield* Effect.flip(Fiber.join(fiber))
          assert.isTrue(error._tag === "ProtocolError" && !error.isRetryable)
          assert.strictEqual(error.sent, "unknown")
        }
        const later = yield* Effect.flip(session.query("select 1"))
        assert.deepInclude(later, { _tag: "ProtocolError", sent: "nothing" })
      }))
  }
})
