/**
 * Arrays as text: `{1,NULL,"a b"}`, with a prefix such as `[0:2]=` if a lower bound is not 1 (PostgreSQL's
 * documentation, "Array Input and Output Syntax"), and Hyper's `[1,NULL,"a b"]`. In both, quotes and backslashes are
 * escaped with a backslash, and no other character is (H-33).
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ByteWriters from "@hyperfect/protocol/ByteWriter"
import type * as PgArray from "../../PgArray.ts"
import type { Codec } from "../../Type.ts"
import * as Refuse from "../codec/codec.ts"

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** The usual delimiter; `box` has a semicolon. */
export const defaultDelimiter = comma

const maxDimensions = 6

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)

/** True for digits, `:`, `-`, brackets and `=`. */
const isOfBounds = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x3a) || byte === 0x2d || byte === 0x3d || byte === openBracket || byte === closeBracket

const boundsPattern = /^(?:\[-?\d+:-?\d+\]){1,6}=/

export type Parsed<A> = Pick<PgArray.PgArray<A>, "dimensions" | "elements">

const wanted = "an array in braces or brackets"

/** Parses all of `bytes[start, end)`. */
export const read = <A>(
  typeName: string,
  element: Codec<A, never>,
  delimiter: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  typeModifier: number
): Parsed<A> => {
  const fail = (found: string): never => Refuse.malformed(typeName, 0, wanted, found)
  let at = start
  let lowerBounds: ReadonlyArray<number> | undefined
  let lengths: ReadonlyArray<number> = []
  if (bytes[at] === openBracket) {
    let head = ""
    for (let i = at; i < end && isOfBounds(bytes[i]!); i++) head += String.fromCharCode(bytes[i]!)
    const bounds = boundsPattern.exec(head)?.[0]
    if (bounds !== undefined) {
      const pairs = bounds.slice(1, -2).split("][").map((pair) => pair.split(":").map(Number))
      lowerBounds = pairs.map(([lower]) => lower!)
      lengths = pairs.map(([lower, upper]) => upper! - lower! + 1)
      at += bounds.length
    }
  }
  const open = bytes[at]
  if (open !== openBrace && open !== openBracket) return fail("another first character")
  const close = open === openBrace ? closeBrace : closeBracket

  const elements: Array<A | null> = []
  const counts: Array<number> = [] // of each dimension, once it is closed
  const current: Array<number> = []
  let depth = 0
  let leaf = 0 // the depth of the elements
  let expectValue = true
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (isSpace(byte)) continue
    if (byte === open) {
      if (!expectValue || ++depth > maxDimensions) return fail("misplaced or too many dimensions")
      if (leaf !== 0 && depth > leaf) return fail("dimensions of different depth")
      current[depth - 1] = 0
    } else if (byte === close) {
      if (depth === 0) return fail("an extra bracket")
      const count = current[depth - 1]!
      if (expectValue && count !== 0) return fail("a missing element")
      if (leaf === 0) leaf = depth
      counts[depth - 1] ??= count
      if (counts[depth - 1] !== count) return fail("dimensions of different length")
      depth--
      if (depth > 0) current[depth - 1]!++
      expectValue = false
      if (depth === 0) {
        at++
        break
      }
    } else if (byte === delimiter) {
      if (expectValue || depth === 0) return fail("a missing element")
      expectValue = true
    } else {
      if (!expectValue || depth === 0) return fail("a missing delimiter")
      if (leaf === 0) leaf = depth
      if (leaf !== depth) return fail("dimensions of different depth")
      if (byte === quote) {
        let stop = at + 1
        let escaped = false
        while (stop < end && bytes[stop] !== quote) {
          if (bytes[stop] === backslash) {
            escaped = true
            stop++
          }
          stop++
        }
        if (stop >= end) return fail("an open quotation mark")
        if (!escaped) elements.push(element.read(bytes, at + 1, stop, typeModifier))
        else {
          const plain = unescape(bytes, at + 1, stop)
          elements.push(element.read(plain, 0, plain.length, typeModifier))
        }
        at = stop
      } else {
        let stop = at
        while (stop < end && bytes[stop] !== delimiter && bytes[stop] !== close && bytes[stop] !== open) {
          if (bytes[stop] === backslash) return fail("a backslash outside quotation marks")
          stop++
        }
        let last = stop
        while (isSpace(bytes[last - 1]!)) last--
        elements.push(isNull(bytes, at, last) ? null : element.read(bytes, at, last, typeModifier))
        at = stop - 1
      }
      current[depth - 1]!++
      expectValue = false
    }
  }
  if (depth !== 0 || at !== end) return fail("a missing or misplaced last bracket")
  if (elements.length === 0) return { dimensions: [], elements }
  if (lowerBounds !== undefined && (lengths.length !== leaf || lengths.some((length, i) => length !== counts[i]))) {
    return fail("other bounds than elements")
  }
  return {
    dimensions: counts.map((length, i) => ({ length, lowerBound: lowerBounds?.[i] ?? 1 })),
    elements
  }
}

/** True for `NULL` in any case, without quotes. */
const isNull = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start === 4 && (bytes[start]! | 0x20) === 0x6e && (bytes[start + 1]! | 0x20) === 0x75 &&
  (bytes[start + 2]! | 0x20) === 0x6c && (bytes[start + 3]! | 0x20) === 0x6c

const unescape = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const plain = new Uint8Array(end - start)
  let length = 0
  for (let at = start; at < end; at++) {
    if (bytes[at] === backslash) at++
    plain[length++] = bytes[at]!
  }
  return plain.subarray(0, length)
}

const needsQuotes = (bytes: Uint8Array, delimiter: number): boolean => {
  if (bytes.length === 0 || isNull(bytes, 0, bytes.length)) return true
  for (const byte of bytes) {
    if (
      byte === quote || byte === backslash || byte === openBrace || byte === closeBrace || byte === delimiter ||
      isSpace(byte)
    ) return true
  }
  return false
}

/** Writes PostgreSQL's syntax. */
export const write = <I>(
  out: ByteWriter,
  element: Codec<unknown, I>,
  delimiter: number,
  array: Parsed<I>,
  typeModifier: number
): void => {
  const { dimensions, elements } = array
  if (dimensions.some(({ lowerBound }) => lowerBound !== 1)) {
    for (const { length, lowerBound } of dimensions) out.utf8(`[${lowerBound}:${lowerBound + length - 1}]`)
    out.utf8("=")
  }
  if (dimensions.length === 0) return out.utf8("{}")
  const scratch = ByteWriters.make(64)
  let next = 0
  const writeLevel = (level: number): void => {
    out.uint8(openBrace)
    for (let i = 0; i < dimensions[level]!.length; i++) {
      if (i > 0) out.uint8(delimiter)
      if (level + 1 < dimensions.length) writeLevel(level + 1)
      else {
        const value = elements[next++]!
        if (value === null) out.utf8("NULL")
        else {
          element.write(scratch, value, typeModifier)
          writeElement(out, scratch.take(), delimiter)
        }
      }
    }
    out.uint8(closeBrace)
  }
  writeLevel(0)
}

const writeElement = (out: ByteWriter, bytes: Uint8Array, delimiter: number): void => {
  if (!needsQuotes(bytes, delimiter)) return out.copy(bytes)
  out.uint8(quote)
  for (const byte of bytes) {
    if (byte === quote || byte === backslash) out.uint8(backslash)
    out.uint8(byte)
  }
  out.uint8(quote)
}
