/**
 * Row writers for COPY as generated code.
 *
 * The code makes room once for all that has a fixed size, and takes the straight road only: wherever something is wrong,
 * it takes back what it wrote of the row and hands the row to the closures of `rowWriteClosures`, which find it again and
 * throw the precise reason.
 *
 * Nothing but the names of the columns, as JSON string literals, and numbers get into the code.
 *
 * @internal
 */
import * as InlineWrites from "./inlineWrites.ts"
import { property } from "./properties.ts"
import { type Column, type Framing, rewind, type Shape, type WriteRow } from "./rowWriteClosures.ts"

/** What stands before a value: the indicator and length of HyperBinary, or the length of PostgreSQL's binary format. */
const prefix = ({ nullable, size }: Column, framing: Framing): number =>
  framing === "postgres" ? 4 : (nullable ? 1 : 0) + (size < 0 ? 4 : 0)

const inlineOf = (column: Column): InlineWrites.Inline | undefined => InlineWrites.find(column.write)

/** The bytes that a column takes at least: all of them where the code writes the value itself. */
const fixedSize = (column: Column, framing: Framing): number => prefix(column, framing) + (inlineOf(column)?.size ?? 0)

const access = ({ name }: Column, index: number, shape: Shape): string =>
  shape === "array"
    ? `row[${index}]`
    : name === "__proto__"
    ? `property(row, "__proto__")`
    : `row[${JSON.stringify(name)}]`

const setNull = (column: Column, framing: Framing): string =>
  !column.nullable
    ? "return slow(out, row, index, size)"
    : framing === "hyper"
    ? "b[p++] = 1"
    : "w.setInt32(p, -1); p += 4"

/** Writes `n` as the length in front of what was written at `p`. */
const setLength = (framing: Framing, at: string, length: string): string =>
  framing === "hyper" ? `w.setInt32(${at}, ${length}, true)` : `w.setInt32(${at}, ${length})`

const setValue = (column: Column, index: number, framing: Framing, rest: number): string => {
  const inline = inlineOf(column)
  const indicator = framing === "hyper" && column.nullable ? "b[p++] = 0\n      " : ""
  const hasLength = framing === "postgres" || column.size < 0
  if (inline?.size !== undefined) {
    return `if (${inline.refuses}) return slow(out, row, index, size)
      ${indicator}${hasLength ? `${setLength(framing, "p", `${inline.size}`)}; p += 4\n      ` : ""}${inline.code}
      p += ${inline.size}`
  }
  if (inline !== undefined) {
    // A text: three bytes a unit are enough for any.
    return `if (${inline.refuses}) return slow(out, row, index, size)
      ${indicator}out.position = p
      out.ensure(v.length * 3 + ${rest + 4})
      b = out.bytes; w = out.view; p = out.position
      n = writeText(v, b, p + 4)
      ${setLength(framing, "p", "n")}; p += n + 4`
  }
  const write = `write${index}(out, v, m${index})`
  return `${indicator}out.position = p${hasLength ? " + 4" : ""}
      n = out.size
      ${write}
      n = out.size - n
      out.ensure(${rest})
      b = out.bytes; w = out.view; p = out.position${
    hasLength ? `\n      ${setLength(framing, "p - n - 4", "n")}` : ""
  }`
}

export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: Shape,
  framing: Framing,
  closures: WriteRow<Row>
): WriteRow<Row> => {
  const start = framing === "postgres" ? 2 : 0
  let rest = columns.reduce((total, column) => total + fixedSize(column, framing), start)
  const total = rest
  rest -= start
  const statements = columns.map((column, index) => {
    rest -= fixedSize(column, framing)
    return `
    v = ${access(column, index, shape)}
    if (v === null) { ${setNull(column, framing)} }
    else {
      ${setValue(column, index, framing, rest)}
    }`
  })
  const isRow = shape === "array"
    ? `Array.isArray(row) && row.length === ${columns.length}`
    : `typeof row === "object" && row !== null`
  const body = `"use strict"
${
    columns.map((_, index) =>
      `const write${index} = columns[${index}].write, m${index} = columns[${index}].typeModifier`
    ).join("\n")
  }
const { property, slow, writeText } = tools
return (out, row, index) => {
  const size = out.size
  if (!(${isRow})) return slow(out, row, index, size)
  try {
    out.ensure(${total})
    let b = out.bytes, w = out.view, p = out.position, n = 0, v
    ${framing === "postgres" ? `w.setInt16(p, ${columns.length}); p += 2` : ""}${statements.join("")}
    out.position = p
  } catch {
    return slow(out, row, index, size)
  }
}`
  const slow = (out: Parameters<WriteRow<Row>>[0], row: Row, index: number, size: number): void => {
    rewind(out, size)
    closures(out, row, index)
  }
  const tools = { property, slow, writeText: InlineWrites.writeText }
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  return new Function("columns", "tools", body)(columns, tools) as WriteRow<Row>
}
