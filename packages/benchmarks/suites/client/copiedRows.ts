/** The rows of B6, as objects and as lines of COPY in text. */
import { seeded, sentence } from "../codec/documents.ts"
import { makeDigest } from "../codec/frames.ts"
import type { Which } from "../codec/samples.ts"

export interface Row {
  readonly [name: string]: number | string | boolean | null
}

export interface Fixture {
  readonly rowCount: number
  /** The names and types of the columns. */
  readonly columns: Readonly<Record<string, "int4" | "text" | "float8" | "bool">>
  readonly row: (id: number) => Row
}

export const fixtures: Readonly<Record<Which, Fixture>> = {
  0: {
    rowCount: 1_000_000,
    columns: { id: "int4", name: "text", ratio: "float8" },
    row: (id) => ({ id, name: `name ${id}`, ratio: id / 1024 })
  },
  // Texts that are long, not ASCII and in need of escapes, small numbers, and many NULL.
  1: {
    rowCount: 150_000,
    columns: { body: "text", low: "float8", high: "float8", day: "int4", is_final: "bool", note: "text" },
    row: (id) => {
      const next = seeded(id)
      const float = () => next(900) < 300 ? null : (next(1000) - 200) / 8
      return {
        body: `${sentence(next, next(30))}\t\n${id}`,
        low: float(),
        high: float(),
        day: next(366),
        is_final: next(900) < 100 ? null : next(100) < 97,
        note: next(900) < 700 ? null : ""
      }
    }
  }
}

export const makeRows = ({ row, rowCount }: Fixture): ReadonlyArray<Row> =>
  Array.from({ length: rowCount }, (_, id) => row(id))

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\t": "\\t" }
const unescapes = new Map(Object.entries(escapes).map(([character, escape]) => [escape, character]))

const toText = (value: Row[string]): string => {
  if (value === null) return "\\N"
  if (typeof value === "boolean") return value ? "t" : "f"
  return String(value).replace(/[\\\n\t]/g, (character) => escapes[character]!)
}

/** Formats a row as a line of COPY in text. */
export const toLine = (row: Row): string => `${Object.values(row).map(toText).join("\t")}\n`

/** Reads a row from a line of COPY in text, without its end. */
export const fromLine = ({ columns }: Fixture, line: string): Row => {
  const fields = line.split("\t")
  return Object.fromEntries(
    Object.entries(columns).map(([name, type], i) => {
      const field = fields[i]!
      if (field === "\\N") return [name, null]
      if (type === "text") return [name, field.replace(/\\[\\nt]/g, (escape) => unescapes.get(escape)!)]
      return [name, type === "bool" ? field === "t" : Number(field)]
    })
  )
}

/** Returns a digest of lines in any order: the server puts a short row where it finds room. */
export const digestOf = (lines: ReadonlyArray<string>): string => {
  const digest = makeDigest()
  for (const line of [...lines].sort()) digest.add(line)
  return digest.end()
}

/** The parenthesised columns of a `create table`. */
export const definition = ({ columns }: Fixture): string =>
  `(${Object.entries(columns).map((column) => column.join(" ")).join(", ")})`

/** A query of one text that depends on all values in a table. */
export const summary = ({ columns }: Fixture, table: string): string => {
  const sums = Object.entries(columns).map(([name, type]) =>
    `count(${name}) || ' ' || sum(${type === "text" ? `hashtext(${name})` : type === "bool" ? `${name}::int4` : name})`
  )
  return `select count(*) || ' ' || ${sums.join(" || ' ' || ")} as summary from ${table}`
}
