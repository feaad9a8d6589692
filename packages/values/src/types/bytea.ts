/**
 * `bytea`, called `bytes` in Hyper.
 *
 * @since 0.1.0
 */
import { code } from "@hyperfect/protocol/internal/codegen"
import * as Schema from "effect/Schema"
import * as Bytes from "../internal/codec/bytes.ts"
import * as Codec from "../internal/codec/codec.ts"
import * as Inline from "../internal/codec/inline.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

const check = (value: unknown, format: Format): Uint8Array =>
  value instanceof Uint8Array ? value : Codec.typeMismatch("bytea", format, "Uint8Array", value)

const backslash = 0x5c

const wrongText = (): never => Codec.malformed("bytea", 0, "\\x and pairs of hexadecimal digits", "another text")

/** Reads `\x` and two hexadecimal digits per byte (`bytea_output = hex`, and Hyper). */
const readHex = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  if ((end - start) % 2 !== 0) return wrongText()
  const value = new Uint8Array((end - start) / 2)
  for (let i = 0, at = start; at < end; i++, at += 2) {
    const byte = Bytes.hexByte(bytes, at)
    if (byte < 0) return wrongText()
    value[i] = byte
  }
  return value
}

/**
 * Reads printable bytes as they are, doubled backslashes, and other bytes as three octal digits
 * (`bytea_output = escape`).
 */
const readEscaped = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const value = new Uint8Array(end - start)
  let length = 0
  for (let at = start; at < end; at++) {
    if (bytes[at] !== backslash) value[length++] = bytes[at]!
    else if (at + 1 < end && bytes[at + 1] === backslash) {
      value[length++] = backslash
      at++
    } else {
      const high = bytes[at + 1]! - 0x30
      const middle = bytes[at + 2]! - 0x30
      const low = bytes[at + 3]! - 0x30
      if (at + 3 >= end || high < 0 || high > 3 || middle < 0 || middle > 7 || low < 0 || low > 7) return wrongText()
      value[length++] = high * 64 + middle * 8 + low
      at += 3
    }
  }
  return value.slice(0, length)
}

const raw = (format: Format): TypeCodec<Uint8Array> => ({
  read: Bytes.copy,
  write: (out, value) => out.copy(check(value, format))
})

const source: Inline.Source = {
  read: code`${Bytes.copy}(b, p, p + n)`,
  write: {
    _tag: "Variable",
    sample: new Uint8Array(0),
    refuses: code`!(v instanceof Uint8Array)`,
    maxSize: code`v.length`,
    helper: Bytes.copyInto
  }
}

/**
 * `bytea`, called `bytes` in Hyper: a `Uint8Array` that is a copy, so it does not keep a receive buffer alive.
 *
 * **Gotchas**
 *
 * Values of 65 to 1024 bytes share an `ArrayBuffer` of 8 KiB with others, as small buffers of Node do: a view over the
 * `buffer` of a value needs its `byteOffset` and `length`, and a value whose `buffer` is transferred to another thread
 * is copied with `slice` first.
 *
 * @category types
 * @since 0.1.0
 */
export const bytea: Type<Uint8Array> = Inline.declare(undefined, { binary: source, hyper: source })({
  name: "bytea",
  oid: 17,
  arrayOid: 1001,
  schema: Schema.Uint8Array,
  text: {
    read: (bytes, start, end) =>
      end - start >= 2 && bytes[start] === backslash && bytes[start + 1] === 0x78
        ? readHex(bytes, start + 2, end)
        : readEscaped(bytes, start, end),
    write: (out, value) => {
      check(value, 0)
      out.ensure(2 + value.length * 2)
      out.uint8(backslash)
      out.uint8(0x78)
      Bytes.writeHex(out, value)
    }
  },
  binary: raw(1),
  hyper: Codec.variable(raw(2))
})
