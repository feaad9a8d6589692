/**
 * The subset of DER (X.690, chapters 8 and 10) needed to inspect a certificate.
 *
 * Strict: lengths are definite, in their shortest form and within the enclosing value.
 */

/** A value within the bytes from which it was read. */
export interface Value {
  readonly tag: number
  readonly bytes: Uint8Array
  /** The start and end of the content. */
  readonly start: number
  readonly end: number
}

export const tags = { bitString: 0x03, objectId: 0x06, sequence: 0x30 } as const

/** Returns the length at the position, and the start of the content. */
const readLength = (
  bytes: Uint8Array,
  at: number,
  end: number
): readonly [length: number, start: number] | undefined => {
  if (at >= end) return undefined
  const first = bytes[at]!
  if (first < 0x80) return [first, at + 1]
  const size = first & 0x7f
  // 0 would be an indefinite length; no relevant value needs a length of five bytes.
  if (size === 0 || size > 4 || at + 1 + size > end) return undefined
  let length = 0
  for (let i = 1; i <= size; i++) length = length * 256 + bytes[at + i]!
  return length < 0x80 || length < 256 ** (size - 1) ? undefined : [length, at + 1 + size]
}

/** Returns the consecutive values up to the end. */
const readAll = (bytes: Uint8Array, start: number, end: number): ReadonlyArray<Value> | undefined => {
  const values: Array<Value> = []
  let at = start
  while (at < end) {
    const tag = bytes[at]!
    const length = readLength(bytes, at + 1, end)
    // Tags of more than one byte do not occur in certificates.
    if ((tag & 0x1f) === 0x1f || length === undefined || length[1] + length[0] > end) return undefined
    values.push({ tag, bytes, start: length[1], end: length[1] + length[0] })
    at = length[1] + length[0]
  }
  return values
}

/** Returns the single value that the bytes consist of. */
export const read = (bytes: Uint8Array, tag: number): Value | undefined => {
  const values = readAll(bytes, 0, bytes.length)
  return values?.length === 1 && values[0]!.tag === tag ? values[0] : undefined
}

/** Returns the values inside a value with the given tag; `undefined` if it is absent. */
export const children = (value: Value | undefined, tag: number): ReadonlyArray<Value> | undefined =>
  value?.tag === tag ? readAll(value.bytes, value.start, value.end) : undefined

/** Returns an object identifier in dotted notation. */
export const objectId = (value: Value | undefined): string | undefined => {
  if (value?.tag !== tags.objectId || value.start === value.end) return undefined
  const arcs: Array<number> = []
  let arc = 0
  for (let at = value.start; at < value.end; at++) {
    const byte = value.bytes[at]!
    if (arc === 0 && byte === 0x80) return undefined
    arc = arc * 128 + (byte & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER) return undefined
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0
    } else if (at === value.end - 1) return undefined
  }
  const first = Math.min(Math.floor(arcs[0]! / 40), 2)
  return [first, arcs[0]! - 40 * first, ...arcs.slice(1)].join(".")
}
