/**
 * Row writers for COPY, and writers of the parameters of Bind, as generated code.
 *
 * The code reserves space once for everything of a fixed size, and covers the fast path only: on any error it removes
 * what it wrote and passes the row to another writer, such as the closures of `interpreted`, which runs into the same
 * error and throws the precise reason.
 *
 * @internal
 */
import { type Code, code, join } from "@hyperfect/protocol/internal/codegen"
import * as Inline from "../codec/inline.ts"
import { property } from "../codec/properties.ts"
import { type Column, type Framing, rewind, type RowShape, type WriteRow } from "./interpreted.ts"

/** The frame of a row that is a message of its own. The message tag is followed by the length. */
export interface MessageFrame {
  /** The bytes before the first value, including the message header. */
  readonly before: Uint8Array
  readonly after: Uint8Array
  /** The maximum value of the length field. */
  readonly limit: number
}

/**
 * The size of the prefix of a value: HyperBinary's null indicator and length, or the length in PostgreSQL's binary
 * format.
 */
const prefixSize = ({ nullable, size }: Column, framing: Framing): number =>
  framing === "postgres" ? 4 : (nullable ? 1 : 0) + (size < 0 ? 4 : 0)

/** The minimum size of a column: its full size if the code writes the value inline. */
const fixedSize = (column: Column, framing: Framing): number => {
  const inline = Inline.find(column.write)
  return prefixSize(column, framing) + (inline?.write?._tag === "Fixed" ? inline.size! : 0)
}

const access = ({ name }: Column, index: number, shape: RowShape): Code =>
  shape === "array"
    ? code`row[${index}]`
    : name === "__proto__"
    ? code`${property}(row, ${name})`
    : code`row[${name}]`

const setNull = (column: Column, framing: Framing, refuse: Code): Code =>
  !column.nullable
    ? refuse
    : framing === "hyper"
    ? code`b[p++] = 1`
    : code`w.setInt32(p, -1); p += 4`

/** Returns code that writes `length` as the length field at `at`. */
const setLength = (framing: Framing, at: Code, length: Code | number): Code =>
  framing === "hyper" ? code`w.setInt32(${at}, ${length}, true)` : code`w.setInt32(${at}, ${length})`

/** Returns code that writes constant bytes: a store of four bytes costs about as much as a store of one. */
const setConstant = (bytes: Uint8Array): Code => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const stores: Array<Code> = []
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) stores.push(code`w.setInt32(p + ${at}, ${view.getInt32(at)})`)
  for (; at < bytes.length; at++) stores.push(code`b[p + ${at}] = ${bytes[at]!}`)
  return code`${join(stores)}
    p += ${bytes.length}`
}

const setValue = (column: Column, framing: Framing, rest: number, refuse: Code): Code => {
  const { size = 0, write } = Inline.find(column.write) ?? {}
  const indicator = framing === "hyper" && column.nullable ? code`b[p++] = 0` : code``
  const hasLength = framing === "postgres" || column.size < 0
  switch (write?._tag) {
    case "Fixed":
      return code`if (${write.refuses}) ${refuse}
      ${indicator}
      ${hasLength ? code`${setLength(framing, code`p`, size)}; p += 4` : code``}
      ${write.code}
      p += ${size}`
    case "Variable":
      return code`if (${write.refuses}) ${refuse}
      ${indicator}
      n = ${write.maxSize} + ${rest + 4}
      if (p + n > b.length) {
        out.position = p
        out.ensure(n)
        b = out.bytes; w = out.view
      }
      n = ${write.helper}(v, b, p + 4)
      if (n < 0) ${refuse}
      ${setLength(framing, code`p`, code`n`)}; p += n + 4`
    case undefined:
      return code`${indicator}
      out.position = p${hasLength ? code` + 4` : code``}
      n = out.size
      ${column.write}(out, v, ${column.typeModifier})
      n = out.size - n
      out.ensure(${rest})
      b = out.bytes; w = out.view; p = out.position
      ${hasLength ? setLength(framing, code`p - n - 4`, code`n`) : code``}`
  }
}

/** Returns the source of the writer for rows of these columns. `other` receives the rows that the code cannot write. */
export const source = <Row>(
  columns: ReadonlyArray<Column>,
  shape: RowShape,
  framing: Framing,
  other: WriteRow<Row>,
  frame?: MessageFrame
): Code => {
  const slow = (out: Parameters<WriteRow<Row>>[0], row: Row, index: number, size: number): void => {
    rewind(out, size)
    other(out, row, index)
  }
  const refuse = code`return ${slow}(out, row, index, size)`
  const count = columns.length
  const before = frame?.before ?? (framing === "postgres" ? Uint8Array.of(count >> 8, count) : new Uint8Array(0))
  const after = frame?.after ?? new Uint8Array(0)
  let rest = columns.reduce((total, column) => total + fixedSize(column, framing), after.length)
  const total = before.length + rest
  const statements = columns.map((column, index) => {
    rest -= fixedSize(column, framing)
    return code`
    v = ${access(column, index, shape)}
    if (v === null) { ${setNull(column, framing, refuse)} }
    else {
      ${setValue(column, framing, rest, refuse)}
    }`
  })
  const isRow = shape === "array"
    ? code`Array.isArray(row) && row.length === ${count}`
    : code`typeof row === "object" && row !== null`
  const setFrameLength = frame === undefined ? code`` : code`
    n = p - start - 1
    if (n > ${frame.limit}) ${refuse}
    w.setInt32(start + 1, n)`
  return code`(out, row, index) => {
  const size = out.size
  if (!(${isRow})) ${refuse}
  try {
    out.ensure(${total})
    let b = out.bytes, w = out.view, p = out.position, n = 0, v
    const start = p
    ${setConstant(before)}${join(statements, "")}
    ${setConstant(after)}${setFrameLength}
    out.position = p
  } catch {
    ${refuse}
  }
}`
}
