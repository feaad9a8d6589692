/**
 * Row readers as generated code.
 *
 * The code covers the fast path only: on any error it passes the row to the closures of `interpreted`, which run into
 * the same error and throw the precise reason. So both report the same errors, and the code stays small.
 *
 * @internal
 */
import { readInt32Code } from "@hyperfect/protocol/internal/bigEndian"
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import * as Inline from "../codec/inline.ts"
import * as Interpreted from "./interpreted.ts"
import type { Column } from "./plan.ts"

type ReadRow<Row> = (bytes: Uint8Array, start: number, end: number) => Row

const { code, join, property } = Codegen

const readColumn = ({ read, typeModifier }: Column, value: Codegen.Code, refuse: Codegen.Code): Codegen.Code => {
  const inline = Inline.find(read)
  const isRefused = inline?.size === undefined ? code`n < 0 || n > e - p` : code`n !== ${inline.size}`
  return code`
    if (p + 4 > e) ${refuse}
    n = ${readInt32Code(code`p`)}
    p += 4
    if (n === -1) ${value} = null
    else {
      if (${isRefused}) ${refuse}
      ${value} = ${inline?.read ?? code`${read}(b, p, p + n, ${typeModifier})`}
      p += n
    }`
}

const rowSource = (
  columns: ReadonlyArray<Column>,
  shape: "object" | "array",
  interpreted: ReadRow<unknown>
): Codegen.Code => {
  const refuse = code`return ${interpreted}(b, s, e)`
  const values = columns.map((_, index) => code`v${index}`)
  const row = shape === "array"
    ? code`[${join(values, ", ")}]`
    : code`{ ${join(columns.map(({ name }, index) => property(name, values[index]!)), ", ")} }`
  return code`(b, s, e) => {
  let p = s + 2, n = 0${join(values.map((value) => code`, ${value}`), "")}
  if (p > e || ((b[s] << 8) | b[s + 1]) !== ${columns.length}) ${refuse}
  try {${join(columns.map((column, index) => readColumn(column, values[index]!, refuse)), "")}
  } catch {
    ${refuse}
  }
  if (p !== e) ${refuse}
  return ${row}
}`
}

/** V8 creates an object of more than 1,020 properties as a hash table, by a literal slower than one at a time (M-10). */
const maxProperties = 1020

/**
 * Creates a reader of objects with more columns than one generated function can read: closures read an array, and
 * generated code converts it to an object with one literal, which needs no optimisation. An object that is built one
 * property at a time is slow from some hundred properties on, and slow to build (M-10).
 */
const makeWide = <Row>(
  columns: ReadonlyArray<Column>,
  codegen: Codegen.Codegen | undefined,
  interpreted: ReadRow<Row>
): ReadRow<Row> => {
  const toObject = Codegen.compile<((values: ReadonlyArray<unknown>) => Row) | undefined>({
    codegen,
    fields: 0,
    interpreted: undefined,
    generated: () =>
      code`(v) => ({ ${join(columns.map(({ name }, index) => property(name, code`v[${index}]`)), ", ")} })`
  })
  if (toObject === undefined) return interpreted
  const readArray = Interpreted.make<ReadonlyArray<unknown>>(columns, "array")
  return (bytes, start, end) => toObject(readArray(bytes, start, end))
}

/** Compiles the reader of rows with these columns. `interpreted` reads the rows that generated code does not. */
export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: "object" | "array",
  codegen: Codegen.Codegen | undefined,
  interpreted: ReadRow<Row>
): ReadRow<Row> =>
  shape === "object" && columns.length > Codegen.maxFields && columns.length <= maxProperties
    ? makeWide(columns, codegen, interpreted)
    : Codegen.compile({
      codegen,
      fields: columns.length,
      interpreted,
      generated: () => rowSource(columns, shape, interpreted)
    })
