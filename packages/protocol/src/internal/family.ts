/**
 * The messages of one direction together: limits by tag, and one reader that tells them apart.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import type { ByteWriter } from "../ByteWriter.ts"
import type { Limits } from "../Frame.ts"
import { reason } from "../ProtocolError.ts"
import { type AnyMessage, type BackEnd, codecFrom, type Definition, type ReadFrame, type WriteFrame } from "../Wire.ts"
import { defaultBackEnd, headerSize, readBody, readInt32, writeFrame } from "./compile.ts"
import type { ReadBody } from "./generate.ts"

interface Entry {
  readonly name: string
  readonly header: number
  read: ReadBody
}

/** The readers of one tag: by their code where messages share the tag, and the one that has no code. */
interface Slot {
  readonly byCode: Map<number, Entry>
  plain: Entry | undefined
}

const tagByte = (definition: Definition): number => definition.tag?.charCodeAt(0) ?? 0

/** The limits of the messages by tag; `long` replaces the limit of those that may be long. */
export const limits = (messages: ReadonlyArray<AnyMessage>, longLimit: number, long: number | undefined): Limits => {
  const table = new Int32Array(256)
  for (const { definition } of messages) {
    const limit = long !== undefined && definition.limit === longLimit ? long : definition.limit
    const tag = tagByte(definition)
    table[tag] = Math.max(table[tag]!, limit)
  }
  return table
}

/**
 * A function that reads the frame `bytes[start, end)`, of which the length was checked: what `Frame` has cut out.
 *
 * Messages that share a tag are told apart by their code.
 */
export const reader = (messages: ReadonlyArray<AnyMessage>, backEnd: BackEnd) => {
  const slots = new Array<Slot | undefined>(256).fill(undefined)
  // The reader of each tag that needs no second look, once it was used.
  const direct = new Array<ReadBody | undefined>(256).fill(undefined)
  for (const { definition } of messages) {
    const tag = tagByte(definition)
    const entry: Entry = {
      name: definition.name,
      header: headerSize(definition),
      // Compiled at the first message of its kind: most programs never meet most kinds.
      read: (bytes, at, end) => {
        entry.read = readBody(definition, backEnd)
        if (tag !== 0 && definition.code === undefined) direct[tag] = entry.read
        return entry.read(bytes, at, end)
      }
    }
    const slot = slots[tag] ??= { byCode: new Map(), plain: undefined }
    if (definition.code === undefined) slot.plain = entry
    else slot.byCode.set(definition.code, entry)
  }
  const unknownCode = ({ byCode }: Slot, offset: number, code: number) => {
    const known = [...byCode.values()].map(({ name }) => name).join(", ")
    return reason("ValueInvalid", "Frame", "code", offset, `the code of ${known}`, `${code}`)
  }
  return (bytes: Uint8Array, start: number, end: number): unknown => {
    const read = direct[bytes[start]!]
    if (read !== undefined && start + 5 <= end) return read(bytes, start + 5, end)
    if (end - start < 5) throw reason("Truncated", "Frame", "length", 0, "at least 5 bytes", `${end - start} bytes`)
    const slot = slots[bytes[start]!]
    if (slot === undefined) {
      const tag = JSON.stringify(String.fromCharCode(bytes[start]!))
      throw reason("TagUnknown", "Frame", "tag", 0, "the tag of a message", tag)
    }
    const { plain } = slot
    if (slot.byCode.size === 0) return plain!.read(bytes, start + plain!.header, end)
    const codeAt = start + (bytes[start] === 0 ? 4 : 5)
    if (codeAt + 4 > end) throw reason("Truncated", "Frame", "code", codeAt - start, "4 bytes", `${end - codeAt} bytes`)
    const code = readInt32(bytes, codeAt)
    const entry = slot.byCode.get(code)
    if (entry !== undefined) return entry.read(bytes, codeAt + 4, end)
    if (plain === undefined) throw unknownCode(slot, codeAt - start, code)
    return plain.read(bytes, codeAt, end)
  }
}

/** What is made once for each back end, because it keeps nothing of a message, only the code that it has compiled. */
export const perBackEnd = <A>(make: (backEnd: BackEnd) => A): (backEnd: BackEnd | undefined) => A => {
  const made = new Map<BackEnd, A>()
  return (backEnd = defaultBackEnd) => {
    let found = made.get(backEnd)
    if (found === undefined) made.set(backEnd, found = make(backEnd))
    return found
  }
}

/** Checks that `bytes[start, end)` is one frame by its own account, within the limit of its tag. */
const checkFrame = (limits: Limits, bytes: Uint8Array, start: number, end: number): void => {
  const lengthAt = bytes[start] === 0 ? start : start + 1
  if (end - lengthAt < 4) {
    throw reason("Truncated", "Frame", "length", lengthAt - start, "4 bytes", `${end - lengthAt} bytes`)
  }
  const limit = limits[bytes[start]!]!
  const length = readInt32(bytes, lengthAt)
  if (limit !== 0 && length > limit) {
    throw reason("LengthExceeded", "Frame", "length", lengthAt - start, `at most ${limit}`, `${length}`)
  }
  if (length !== end - lengthAt) {
    throw reason("LengthInvalid", "Frame", "length", lengthAt - start, `${end - lengthAt}`, `${length}`)
  }
}

/** The codec between one whole frame, of which the length is checked here, and its message. */
export const codec = <T>(
  schema: Schema.Codec<T, T>,
  limits: Limits,
  read: ReadFrame<T>,
  write: WriteFrame<T>
): Schema.Codec<T, Uint8Array> =>
  codecFrom(
    schema,
    (bytes, start, end) => {
      checkFrame(limits, bytes, start, end)
      return read(bytes, start, end)
    },
    write
  )

/** A function that writes the frame of any of the messages. */
export const writer = (messages: ReadonlyArray<AnyMessage>, backEnd: BackEnd) => {
  const writers = new Map<string, (out: ByteWriter, message: unknown) => void>()
  const definitions = new Map(messages.map(({ definition }) => [definition.name, definition]))
  return (out: ByteWriter, message: { readonly _tag: string }): void => {
    let write = writers.get(message._tag)
    if (write === undefined) {
      const definition = definitions.get(message._tag)
      if (definition === undefined) {
        throw reason("ValueInvalid", "Frame", "_tag", 0, "the name of a message", JSON.stringify(message._tag))
      }
      write = writeFrame(definition, backEnd)
      writers.set(message._tag, write)
    }
    write(out, message)
  }
}
