/**
 * Row writers for COPY, and writers of the parameters of Bind, as generated code.
 *
 * The code makes room once for all that has a fixed size, and takes the straight road only: wherever something is wrong,
 * it takes back what it wrote and hands the row to another writer, such as the closures of `rowWriteClosures`, which finds
 * it again and throws the precise reason.
 *
 * Nothing but the names of the columns, as JSON string literals, and numbers get into the code.
 *
 * @internal
 */
import * as InlineWrites from "./inlineWrites.ts"
import { property } from "./properties.ts"
import { type Column, type Framing, rewind, type Shape, type WriteRow } from "./rowWriteClosures.ts"

/** The frame that a row is in, when it is a message of its own. Its tag is followed by its length. */
export interface Frame {
  /** The bytes before the first value, header included. */
  readonly before: Uint8Array
  readonly after: Uint8Array
  /** The most that the length may say. */
  readonly limit: number
}

/** What stands before a value: the indicator and length of HyperBinary, or the length of PostgreSQL's binary format. */
const prefix = ({ nullable, size }: Column, framing: Framing): number =>
  framing === "postgres" ? 4 : (nullable ? 1 : 0) + (size < 0 ? 4 : 0)

/** The bytes that a column takes at least: all of them where the code writes the value itself. */
const fixedSize = (column: Column, framing: Framing): number => {
  const inline = InlineWrites.find(column.write)
  return prefix(column, framing) + (inline?._tag === "Fixed" ? inline.size : 0)
}

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

/** Writes bytes that are always the same: a store of four at a time costs about what one of one does. */
const setConstant = (bytes: Uint8Array): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const stores: Array<string> = []
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) stores.push(`w.setInt32(p + ${at}, ${view.getInt32(at)})`)
  for (; at < bytes.length; at++) stores.push(`b[p + ${at}] = ${bytes[at]}`)
  return `${stores.join("; ")}; p += ${bytes.length}`
}

const setValue = (column: Column, index: number, framing: Framing, rest: number): string => {
  const inline = InlineWrites.find(column.write)
  const indicator = framing === "hyper" && column.nullable ? "b[p++] = 0\n      " : ""
  const hasLength = framing === "postgres" || column.size < 0
  switch (inline?._tag) {
    case "Fixed":
      return `if (${inline.refuses}) return slow(out, row, index, size)
      ${indicator}${hasLength ? `${setLength(framing, "p", `${inline.size}`)}; p += 4\n      ` : ""}${inline.code}
      p += ${inline.size}`
    case "Variable":
      return `if (${inline.refuses}) return slow(out, row, index, size)
      ${indicator}n = ${inline.room} + ${rest + 4}
      if (p + n > b.length) {
        out.position = p
        out.ensure(n)
        b = out.bytes; w = out.view
      }
      n = ${inline.tool}(v, b, p + 4)
      if (n < 0) return slow(out, row, index, size)
      ${setLength(framing, "p", "n")}; p += n + 4`
    case undefined:
      return `${indicator}out.position = p${hasLength ? " + 4" : ""}
      n = out.size
      write${index}(out, v, m${index})
      n = out.size - n
      out.ensure(${rest})
      b = out.bytes; w = out.view; p = out.position${
        hasLength ? `\n      ${setLength(framing, "p - n - 4", "n")}` : ""
      }`
  }
}

/** The writer of rows of some columns. `other` is given the rows that the code cannot write. */
export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: Shape,
  framing: Framing,
  other: WriteRow<Row>,
  frame?: Frame
): WriteRow<Row> => {
  const count = columns.length
  const before = frame?.before ?? (framing === "postgres" ? Uint8Array.of(count >> 8, count) : new Uint8Array(0))
  const after = frame?.after ?? new Uint8Array(0)
  let rest = columns.reduce((total, column) => total + fixedSize(column, framing), after.length)
  const total = before.length + rest
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
    ? `Array.isArray(row) && row.length === ${count}`
    : `typeof row === "object" && row !== null`
  const body = `"use strict"
${
    columns.map((_, index) =>
      `const write${index} = columns[${index}].write, m${index} = columns[${index}].typeModifier`
    ).join("\n")
  }
const { ${[...Object.keys(InlineWrites.tools), "property", "slow"].join(", ")} } = tools
return (out, row, index) => {
  const size = out.size
  if (!(${isRow})) return slow(out, row, index, size)
  try {
    out.ensure(${total})
    let b = out.bytes, w = out.view, p = out.position, n = 0, v
    ${frame === undefined ? "" : "const start = p"}
    ${setConstant(before)}${statements.join("")}
    ${setConstant(after)}${
    frame === undefined ? "" : `
    n = p - start - 1
    if (n > ${frame.limit}) return slow(out, row, index, size)
    w.setInt32(start + 1, n)`
  }
    out.position = p
  } catch {
    return slow(out, row, index, size)
  }
}`
  const slow = (out: Parameters<WriteRow<Row>>[0], row: Row, index: number, size: number): void => {
    rewind(out, size)
    other(out, row, index)
  }
  const tools = { ...InlineWrites.tools, property, slow }
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  return new Function("columns", "tools", body)(columns, tools) as WriteRow<Row>
}
