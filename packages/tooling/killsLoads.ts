/** The loads of the kills: each writes a new batch of rows, and an upsert writes it in the place of another one. */
import type { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import { sql } from "@hyperfect/client/Statement"
import * as HyperLoad from "@hyperfect/hyper/HyperLoad"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { Effect, Schema } from "effect"
import type { FileHistory } from "./killsOracle.ts"

/** The ways to load rows. */
export const loadSteps = ["insert", "copy", "transaction", "columns", "mapped", "upsert"] as const

export type LoadStep = typeof loadSteps[number]

/** The constructors of loads, or replacements that lie, to show that this is found. */
export type Loads = Pick<typeof HyperLoad, "insertColumns" | "insertMapped" | "upsert">

/** The rows of a slot are found by an upsert, which gives them a new batch. */
const fields = { batch: Schema.Int, slot: Schema.Int, n: Schema.Int, text: HyperTable.Text }
const { n: next, ...others } = fields

export const Load = HyperTable.make("load", fields)
export const Attached = HyperTable.make("load", fields, { database: "attached" })

const messageSize = 32 * 1024

interface Batch {
  readonly number: number
  readonly slot: number
  readonly size: number
}

/** The batches of all rounds, from which an upsert takes one that the database may have. */
export class Batches {
  private readonly all: Array<Batch> = []
  readonly random: () => number

  constructor(random: () => number) {
    this.random = random
  }

  /** Makes a batch with a slot of its own. */
  add(): Batch {
    const number = this.all.length + 1
    return this.push({ number, slot: number, size: this.size(1, 20_000) })
  }

  /** Makes a batch in the place of another one, and returns those that may be there, of which none has more rows. */
  update(history: FileHistory): readonly [Batch, ReadonlyArray<number>] {
    const present = this.all.filter(({ number }) => history.batches.has(number))
    if (present.length === 0) return [this.add(), []]
    const { slot } = present[Math.floor(this.random() * present.length)]!
    const updated = present.filter((batch) => batch.slot === slot)
    const size = this.size(Math.max(...updated.map(({ size }) => size)), 2000)
    return [this.push({ number: this.all.length + 1, slot, size }), updated.map(({ number }) => number)]
  }

  private size(least: number, more: number): number {
    return least + Math.floor(more * this.random() ** 2)
  }

  private push(batch: Batch): Batch {
    this.all.push(batch)
    return batch
  }
}

/** Makes the rows of a batch. */
export const rowsOf = ({ number, size, slot }: Batch, random: () => number) =>
  Array.from({ length: size }, (_, n) => ({ batch: number, slot, n, text: `${random()} ${random()}` }))

type Rows = ReturnType<typeof rowsOf>

/** Writes the rows of a batch. `onWritten` runs before the transaction of a load from `HyperLoad` is committed. */
export const write = (
  loads: Loads,
  step: LoadStep,
  table: typeof Load,
  rows: Rows,
  onWritten: Effect.Effect<void>
): Effect.Effect<unknown, unknown, Client> => {
  const options = {
    messageSize,
    onProgress: (progress: Copy.Progress) => progress.rows === rows.length ? onWritten : Effect.void
  }
  switch (step) {
    case "copy":
      return Copy.into(rows, table, { messageSize })
    case "columns": {
      const columns = {
        batch: Int32Array.from(rows, (row) => row.batch),
        slot: Int32Array.from(rows, (row) => row.slot),
        n: Float64Array.from(rows, (row) => row.n),
        text: rows.map((row) => row.text)
      }
      return HyperLoad.run([loads.insertColumns(table, columns, options)])
    }
    case "mapped": {
      const given = rows.map(({ n, ...row }) => ({ ...row, next: n + 1 }))
      const columns = { batch: sql`batch`, slot: sql`slot`, n: sql`next - 1`, text: sql`text` }
      return HyperLoad.run([loads.insertMapped(table, { ...others, next }, given, columns, options)])
    }
    case "upsert":
      return HyperLoad.run([loads.upsert(table, rows, { ...options, key: ["slot", "n"] })])
    default:
      return table.insert(rows, { messageSize })
  }
}
