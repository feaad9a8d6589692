/**
 * The part of Protocol Buffers that the messages of the service need: nested messages, strings and numbers.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Bytes from "effect/Bytes"

/** A field: a small number, a text or a nested message. */
export type Field = readonly [number: number, value: number | string | ReadonlyArray<Field>]

const varint = (value: number): Array<number> => {
  const bytes: Array<number> = []
  for (let rest = value;; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push(rest % 128 + 128)
  }
}

/** Returns the bytes of a message. */
export const encode = (fields: ReadonlyArray<Field>): Uint8Array => {
  const parts = fields.flatMap(([number, value]): Array<Uint8Array> => {
    if (typeof value === "number") return [Uint8Array.from([...varint(number * 8), ...varint(value)])]
    const body = typeof value === "string" ? new TextEncoder().encode(value) : encode(value)
    return [Uint8Array.from([...varint(number * 8 + 2), ...varint(body.length)]), body]
  })
  return Bytes.concat(parts)
}

const fixedSizes: { readonly [wireType: number]: number } = { 1: 8, 5: 4 }

/** Calls a function for each field of a message. Throws a `RangeError` if it is malformed. */
const visit = (message: Uint8Array, onField: (field: number, value: number | Uint8Array) => void): void => {
  let at = 0
  const number = () => {
    let value = 0
    for (let scale = 1;; scale *= 128) {
      const byte = message[at++]
      if (byte === undefined) throw new RangeError("a message ends inside a field")
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const key = number()
    const wireType = key % 8
    const field = Math.floor(key / 8)
    if (wireType === 0) {
      onField(field, number())
      continue
    }
    const size = wireType === 2 ? number() : fixedSizes[wireType]
    if (size === undefined || size > message.length - at) throw new RangeError("a message has a malformed field")
    if (wireType === 2) onField(field, message.subarray(at, at + size))
    at += size
  }
}

/** Returns the messages, texts or bytes of a field of a nested path, as views of the message. */
export const read = (message: Uint8Array, [field, ...path]: ReadonlyArray<number>): Array<Uint8Array> => {
  const found: Array<Uint8Array> = []
  visit(message, (number, value) => {
    if (number === field && typeof value !== "number") found.push(value)
  })
  return path.length === 0 ? found : found.flatMap((value) => read(value, path))
}

/** Returns the last number of a field; 0 if there is none. */
export const readNumber = (message: Uint8Array, field: number): number => {
  let found = 0
  visit(message, (number, value) => {
    if (number === field && typeof value === "number") found = value
  })
  return found
}

/** Returns the first text of a field of a nested path. */
export const readText = (message: Uint8Array, path: ReadonlyArray<number>): string | undefined => {
  const [bytes] = read(message, path)
  return bytes === undefined ? undefined : Utf8.decode(bytes, 0, bytes.length)
}
