/**
 * An incremental refresh: changed, new and deleted rows. Readers of the extract see it as it was, or with all changes:
 * a new file is built from the old one, and replaces it at the end.
 */
import { Client, Statement } from "@hyperfect/client"
import { Hyper, HyperLoad, HyperTable } from "@hyperfect/hyper"
import { Effect } from "effect"
import { resolve } from "node:path"
import { fields, type Order } from "./orders.ts"

const { identifier, list, sql } = Statement

export interface Changes {
  /** Rows that replace those of the same `id`, or are new. */
  readonly rows: ReadonlyArray<typeof Order.Row.Type>
  readonly deleted: ReadonlyArray<number>
}

/** Returns the numbers of inserted, updated and deleted rows. */
export const incrementalRefresh = Effect.fnUntraced(function*(extract: string, { deleted, rows }: Changes) {
  const database = resolve(extract)
  // With two files attached, a table is named with its database.
  const Next = HyperTable.make("orders", fields, { database })
  const Old = HyperTable.make("orders", fields, { database: "old" })
  const columns = list(Object.keys(fields).map((name) => identifier(name)))
  const program = Effect.gen(function*() {
    const client = yield* Client.Client
    yield* Next.create
    yield* client.execute(sql`insert into ${Next} (${columns}) select ${columns} from ${Old}`)
    const [upserted] = yield* HyperLoad.run([HyperLoad.upsert(Next, rows, { key: ["id"] })])
    const removed = deleted.length === 0
      ? { rowCount: 0 }
      : yield* client.execute(sql`delete from ${Next} where id in (${list(deleted)})`)
    return { ...upserted!, deleted: removed.rowCount ?? 0 }
  })
  return yield* Hyper.withDatabase(program, { database, create: "atomic", attach: { old: database } })
})
