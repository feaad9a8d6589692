/**
 * Readers and writers of a layout, composed of closures.
 *
 * This back end runs where code generation is forbidden, and it produces all errors: generated code that encounters
 * invalid data passes the frame to these closures, which throw the precise failure. Both back ends therefore fail
 * identically.
 *
 * @internal
 */
import type { ByteWriter } from "../ByteWriter.ts"
import * as Layout from "../Layout.ts"
import { readInt32, readInt64 } from "./bigEndian.ts"
import { Failure, prependPath, truncated } from "./failure.ts"

/** The current position of a reader in a message. */
export interface Cursor {
  bytes: Uint8Array
  at: number
  end: number
}

/** @internal */
export type Read = (cursor: Cursor) => unknown

/** Decodes a part of the bytes, or returns `undefined` if it is not UTF-8. */
export type DecodeText = (bytes: Uint8Array, start: number, end: number) => string | undefined

/** @internal */
export type Write = (out: ByteWriter, value: unknown) => void

const invalid = (at: number, wanted: string, found: string): Failure => new Failure("ValueInvalid", at, wanted, found)

const advance = (cursor: Cursor, size: number): number => {
  const at = cursor.at
  if (at + size > cursor.end) throw truncated(at, cursor.end, size)
  cursor.at = at + size
  return at
}

/** Creates a view of some bytes, as a plain `Uint8Array` even if they came in a `Buffer`. */
const view = (bytes: Uint8Array, at: number, length: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)

const readInts: Record<Layout.Int["type"], (cursor: Cursor) => number | bigint> = {
  Int8: (cursor) => (cursor.bytes[advance(cursor, 1)]! << 24) >> 24,
  UInt8: (cursor) => cursor.bytes[advance(cursor, 1)]!,
  Int16: (cursor) => {
    const at = advance(cursor, 2)
    return ((cursor.bytes[at]! << 24) >> 16) | cursor.bytes[at + 1]!
  },
  UInt16: (cursor) => {
    const at = advance(cursor, 2)
    return (cursor.bytes[at]! << 8) | cursor.bytes[at + 1]!
  },
  Int32: (cursor) => readInt32(cursor.bytes, advance(cursor, 4)),
  UInt32: (cursor) => readInt32(cursor.bytes, advance(cursor, 4)) >>> 0,
  Int64: (cursor) => readInt64(cursor.bytes, advance(cursor, 8))
}

/** The character of each byte, so that reading one does not allocate. */
export const characters: ReadonlyArray<string> = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte))

/** @internal */
export const reader = (layout: Layout.Layout, decodeText: DecodeText): Read => {
  switch (layout._tag) {
    case "Int":
      return readInts[layout.type]
    case "Char": {
      const { allowed } = layout
      return (cursor) => {
        const at = advance(cursor, 1)
        const character = characters[cursor.bytes[at]!]!
        if (allowed !== undefined ? !allowed.includes(character) : character === "\0") {
          throw invalid(at, allowed?.join(", ") ?? "a character", JSON.stringify(character))
        }
        return character
      }
    }
    case "CString":
      return (cursor) => {
        const { at, bytes, end } = cursor
        let zero = at
        while (zero < end && bytes[zero] !== 0) zero++
        if (zero === end) throw new Failure("Unterminated", at, "a zero byte", `${end - at} other bytes`)
        const text = decodeText(bytes, at, zero)
        if (text === undefined) throw new Failure("Utf8Invalid", at, "UTF-8", `${zero - at} bytes that are not`)
        cursor.at = zero + 1
        return text
      }
    case "Bytes":
      return (cursor) => {
        const at = advance(cursor, layout.length)
        return view(cursor.bytes, at, layout.length)
      }
    case "Rest":
      return (cursor) => {
        const { at, bytes, end } = cursor
        checkRest(layout, end - at, at)
        cursor.at = end
        return view(bytes, at, end - at)
      }
    case "Nullable":
      return (cursor) => {
        const at = advance(cursor, 4)
        const length = readInt32(cursor.bytes, at)
        if (length === -1) return null
        if (length < 0) throw invalid(at, "a length, or -1 for null", `${length}`)
        const from = advance(cursor, length)
        return view(cursor.bytes, from, length)
      }
    case "Counted": {
      const count = readInts[layout.count.type] as (cursor: Cursor) => number
      const item = reader(layout.item, decodeText)
      const size = Layout.minimumSize(layout.item)
      return (cursor) => {
        const at = cursor.at
        const length = count(cursor)
        const left = cursor.end - cursor.at
        if (length < 0 || length * size > left) {
          throw new Failure("CountInvalid", at, `items of at least ${size} bytes in ${left}`, `${length}`)
        }
        const items = new Array<unknown>(length)
        let i = 0
        try {
          for (; i < length; i++) items[i] = item(cursor)
        } catch (thrown) {
          throw prependPath(thrown, i)
        }
        return items
      }
    }
    case "Terminated": {
      const item = reader(layout.item, decodeText)
      return (cursor) => {
        const start = cursor.at
        const items: Array<unknown> = []
        try {
          while (true) {
            if (cursor.at >= cursor.end) {
              throw new Failure("Unterminated", start, "a zero byte behind the items", "the end of the message")
            }
            if (cursor.bytes[cursor.at] === 0) break
            if (items.length === Layout.maxTerminatedItems) throw tooManyItems(start, `more than ${items.length}`)
            items.push(item(cursor))
          }
        } catch (thrown) {
          throw prependPath(thrown, items.length)
        }
        cursor.at++
        return items
      }
    }
    case "Struct":
      return structReader(layout, undefined, decodeText)
  }
}

const tooManyItems = (at: number, found: string): Failure =>
  new Failure("CountInvalid", at, `at most ${Layout.maxTerminatedItems} items`, found)

/** Returns a reader of fields into an object, with `_tag` first if there is one. */
export const structReader = (layout: Layout.Struct, tag: string | undefined, decodeText: DecodeText): Read => {
  const names = layout.fields.map((field) => field.name)
  const reads = layout.fields.map((field) => reader(field.layout, decodeText))
  return (cursor) => {
    const value: Record<string, unknown> = tag === undefined ? {} : { _tag: tag }
    let i = 0
    try {
      for (; i < reads.length; i++) value[names[i]!] = reads[i]!(cursor)
    } catch (thrown) {
      throw prependPath(thrown, names[i]!)
    }
    return value
  }
}

/** @internal */
export const checkRest = (layout: Layout.Rest, length: number, at: number): void => {
  if (length < layout.minimum || length > layout.maximum) {
    throw invalid(at, `${layout.minimum} to ${layout.maximum} bytes`, `${length} bytes`)
  }
}

const checkInt = ({ type }: Layout.Int, out: ByteWriter, value: unknown): void => {
  const range = type === "Int64" ? undefined : Layout.ranges[type]
  const isInt = range === undefined
    ? typeof value === "bigint" && BigInt.asIntN(64, value) === value
    : Number.isInteger(value) && (value as number) >= range[0] && (value as number) <= range[1]
  if (isInt) return
  const wanted = range === undefined ? type : `${type} (${range[0]} to ${range[1]})`
  const found = typeof value === (range === undefined ? "bigint" : "number") ? String(value) : typeof value
  throw invalid(out.position, wanted, found)
}

const writeInts = {
  1: (out: ByteWriter, value: number) => out.uint8(value),
  2: (out: ByteWriter, value: number) => out.int16(value),
  4: (out: ByteWriter, value: number) => out.int32(value),
  8: (out: ByteWriter, value: bigint) => out.int64(value)
}

const checkBytes = (out: ByteWriter, value: unknown, wanted: string): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw invalid(out.position, wanted, typeof value)
  return value
}

/** A value that writes its bytes itself, in place of an array of bytes. */
interface Writable {
  readonly writeTo: (out: ByteWriter) => void
}

/** @internal */
export const isWritable = (value: unknown): value is Writable =>
  typeof value === "object" && value !== null && typeof (value as Writable).writeTo === "function"

/** Writes the length and the bytes of a self-writing value. */
export const writeSized = (out: ByteWriter, value: Writable): void => {
  const at = out.position
  out.int32(0)
  value.writeTo(out)
  out.setInt32(at, out.position - at - 4)
}

const checkArray = (out: ByteWriter, value: unknown): ReadonlyArray<unknown> => {
  if (!Array.isArray(value)) throw invalid(out.position, "an array", typeof value)
  return value
}

const writeItems = (item: Write, out: ByteWriter, items: ReadonlyArray<unknown>): void => {
  let i = 0
  try {
    for (; i < items.length; i++) item(out, items[i])
  } catch (thrown) {
    throw prependPath(thrown, i)
  }
}

/** @internal */
export const writer = (layout: Layout.Layout): Write => {
  switch (layout._tag) {
    case "Int": {
      const write = writeInts[Layout.intSize(layout)]
      return (out, value) => {
        checkInt(layout, out, value)
        write(out, value as never)
      }
    }
    case "Char": {
      const { allowed } = layout
      return (out, value) => {
        const code = typeof value === "string" && value.length === 1 ? value.charCodeAt(0) : 0
        if (code === 0 || code > 0xff || (allowed !== undefined && !allowed.includes(value as string))) {
          const found = typeof value !== "string"
            ? typeof value
            : value.length === 1
            ? JSON.stringify(value)
            : `${value.length} characters`
          throw invalid(out.position, allowed?.join(", ") ?? "a character", found)
        }
        out.uint8(code)
      }
    }
    case "CString":
      return (out, value) => {
        if (typeof value !== "string") throw invalid(out.position, "a string", typeof value)
        // Text after a NUL would be read as the next field, which permits injection (compare CVE-2024-27304).
        if (value.includes("\0")) throw invalid(out.position, "no zero byte in a string", "one")
        if (!value.isWellFormed()) {
          throw new Failure("Utf8Invalid", out.position, "a well-formed string", "an unpaired surrogate")
        }
        out.utf8(value)
        out.uint8(0)
      }
    case "Bytes":
      return (out, value) => {
        const bytes = checkBytes(out, value, `${layout.length} bytes`)
        if (bytes.length !== layout.length) {
          throw invalid(out.position, `${layout.length} bytes`, `${bytes.length} bytes`)
        }
        out.copy(bytes)
      }
    case "Rest":
      return (out, value) => {
        const bytes = checkBytes(out, value, "bytes")
        checkRest(layout, bytes.length, out.position)
        out.copy(bytes)
      }
    case "Nullable":
      return (out, value) => {
        if (value === null) return out.int32(-1)
        if (isWritable(value)) return writeSized(out, value)
        const bytes = checkBytes(out, value, "bytes or null")
        out.int32(bytes.length)
        out.copy(bytes)
      }
    case "Counted": {
      const write = writeInts[Layout.intSize(layout.count)] as (out: ByteWriter, value: number) => void
      const item = writer(layout.item)
      const [, maximum] = Layout.ranges[layout.count.type as "UInt16"]
      return (out, value) => {
        if (isWritable(value)) return value.writeTo(out)
        const items = checkArray(out, value)
        if (items.length > maximum) {
          throw new Failure("CountInvalid", out.position, `at most ${maximum} items`, `${items.length}`)
        }
        write(out, items.length)
        writeItems(item, out, items)
      }
    }
    case "Terminated": {
      const item = writer(layout.item)
      return (out, value) => {
        const items = checkArray(out, value)
        if (items.length > Layout.maxTerminatedItems) throw tooManyItems(out.position, `${items.length}`)
        writeItems(
          (out, value) => {
            const start = out.position
            item(out, value)
            if (out.bytes[start] === 0) {
              throw invalid(start, "an item that does not begin with a zero byte", "one that does")
            }
          },
          out,
          items
        )
        out.uint8(0)
      }
    }
    case "Struct": {
      const names = layout.fields.map((field) => field.name)
      const writes = layout.fields.map((field) => writer(field.layout))
      return (out, value) => {
        if (typeof value !== "object" || value === null) throw invalid(out.position, "an object", typeof value)
        let i = 0
        try {
          for (; i < writes.length; i++) writes[i]!(out, (value as Record<string, unknown>)[names[i]!])
        } catch (thrown) {
          throw prependPath(thrown, names[i]!)
        }
      }
    }
  }
}
