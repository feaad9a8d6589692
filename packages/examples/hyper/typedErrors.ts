/** Typed errors: each failure has a tag, a reason and fields, from which a program decides. */
import { Client, Statement } from "@hyperfect/client"
import { Hyper, HyperLoad, HyperTable } from "@hyperfect/hyper"
import { CalendarDate } from "@hyperfect/values"
import { Effect } from "effect"
import { Order } from "./orders.ts"

const { sql } = Statement

const placed = CalendarDate.fromStringUnsafe("2026-03-01")
const order = (id: number) => ({ id, region: "north", total: 1, placed })

/** Opens a file, and says what is wrong with it, and whether it is worth trying again. */
export const explainOpening = (database: string) =>
  Effect.succeed("opened").pipe(
    Hyper.withDatabase({ database }),
    Effect.catchReasons("DatabaseError", {
      Missing: () => Effect.succeed("missing: import it first"),
      Corrupt: () => Effect.succeed("damaged: restore it"),
      VersionUnsupported: () => Effect.succeed("too new: install a newer server")
    }),
    Effect.catchTag("DatabaseError", (error) => Effect.succeed(`in use: retry is ${error.isRetryable}`))
  )

/** Returns a line for each kind of error of statements and loads. */
export const explainErrors = Effect.gen(function*() {
  const client = yield* Client.Client
  const noColumn = client.query(sql`select colour from ${Order}`).pipe(
    Effect.as("no error"),
    Effect.catchReason(
      "ServerError",
      "UndefinedColumn",
      ({ sqlState }) => Effect.succeed(`no such column: ${sqlState}`)
    )
  )
  const wrongValue = Order.insert([order(1), order(2 ** 40)]).pipe(
    Effect.as("no error"),
    Effect.catchTag(
      "ValueError",
      (error) => Effect.succeed(`wrong value: ${error.reason._tag} in row ${error.reason.row}`)
    )
  )
  const sameKey = HyperLoad.run([HyperLoad.upsert(Order, [order(1), order(1)], { key: ["id"] })]).pipe(
    Effect.as("no error"),
    Effect.catchTag("LoadError", ({ duplicates }) => Effect.succeed(`keys more than once: ${duplicates}`))
  )
  const tooNew = HyperTable.make("measures", { value: HyperTable.Real }).create.pipe(
    Effect.as("no error"),
    Effect.catchTag("DatabaseVersionError", (e) => Effect.succeed(`needs a file of version ${e.requiredVersion}`))
  )
  return yield* Effect.all([noColumn, wrongValue, sameKey, tooNew])
})
