/**
 * The messages of one direction combined: limits by tag, and one reader for all.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import type { ByteWriter } from "../ByteWriter.ts"
import type { Limits } from "../Frame.ts"
import { reason } from "../ProtocolError.ts"
import * as Wire from "../Wire.ts"
import { readInt32 } from "./bigEndian.ts"
import { defaultCodegen, UseCount } from "./codegen.ts"
import { bodyReader, frameWriter, headerSize } from "./compile.ts"
import type { ReadBody } from "./generate.ts"

/** The messages that a module exports, sorted by name: the property order of a namespace is not portable. */
export const list = <M extends Readonly<Record<string, Wire.AnyMessage>>>(module: M): ReadonlyArray<M[keyof M]> =>
  Object.values<Wire.AnyMessage>(module)
    .sort((a, b) => a.definition.name < b.definition.name ? -1 : 1) as ReadonlyArray<Wire.AnyMessage> as ReadonlyArray<
      M[keyof M]
    >

/** The number of messages of a kind from which on generating code pays. Until then, they are interpreted. */
const usesBeforeGenerating = 64

interface MessageReader {
  readonly name: string
  readonly header: number
  read: ReadBody
}

/** The readers of one tag: by code where messages share the tag, and the one without a code. */
interface TagReaders {
  readonly byCode: Map<number, MessageReader>
  withoutCode: MessageReader | undefined
}

const tagByte = (definition: Wire.Definition): number => definition.tag?.charCodeAt(0) ?? 0

/** Returns the limits of the messages by tag; messages that may be long are limited to `longLimit`. */
export const limits = (messages: ReadonlyArray<Wire.AnyMessage>, longLimit = Infinity): Limits => {
  const table = new Int32Array(256)
  for (const { definition } of messages) {
    const limit = definition.limit >= Wire.mediumLimit ? Math.min(definition.limit, longLimit) : definition.limit
    const tag = tagByte(definition)
    table[tag] = Math.max(table[tag]!, limit)
  }
  return table
}

/**
 * Returns a function that reads the frame `bytes[start, end)` from `Frame`, whose length was already checked.
 *
 * Messages that share a tag are distinguished by their code.
 */
export const reader = (messages: ReadonlyArray<Wire.AnyMessage>, codegen: Wire.Codegen | undefined) => {
  const slots = new Array<TagReaders | undefined>(256).fill(undefined)
  // The reader of each tag that is unique, once it has been used.
  const direct = new Array<ReadBody | undefined>(256).fill(undefined)
  for (const { definition } of messages) {
    const tag = tagByte(definition)
    const uses = new UseCount(usesBeforeGenerating)
    const entry: MessageReader = {
      name: definition.name,
      header: headerSize(definition),
      // Compiled when it is used: most programs never receive most kinds.
      read: (bytes, at, end) => {
        if (codegen === undefined && !uses.reaches()) return bodyReader(definition, "interpreted")(bytes, at, end)
        entry.read = bodyReader(definition, codegen ?? defaultCodegen)
        if (tag !== 0 && definition.code === undefined) direct[tag] = entry.read
        return entry.read(bytes, at, end)
      }
    }
    const slot = slots[tag] ??= { byCode: new Map(), withoutCode: undefined }
    if (definition.code === undefined) slot.withoutCode = entry
    else slot.byCode.set(definition.code, entry)
  }
  const unknownCode = ({ byCode }: TagReaders, offset: number, code: number) => {
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
    const { withoutCode } = slot
    if (slot.byCode.size === 0) return withoutCode!.read(bytes, start + withoutCode!.header, end)
    const codeAt = start + (bytes[start] === 0 ? 4 : 5)
    if (codeAt + 4 > end) throw reason("Truncated", "Frame", "code", codeAt - start, "4 bytes", `${end - codeAt} bytes`)
    const code = readInt32(bytes, codeAt)
    const entry = slot.byCode.get(code)
    if (entry !== undefined) return entry.read(bytes, codeAt + 4, end)
    if (withoutCode === undefined) throw unknownCode(slot, codeAt - start, code)
    return withoutCode.read(bytes, codeAt, end)
  }
}

/** Checks that `bytes[start, end)` is exactly one frame, within the limit of its tag. */
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

/** Returns the codec between one whole frame, whose length is checked here, and its message. */
export const codec = <T>(
  schema: Schema.Codec<T, T>,
  limits: Limits,
  read: Wire.ReadFrame<T>,
  write: Wire.WriteFrame<T>
): Schema.Codec<T, Uint8Array> =>
  // Made when it is first used: most programs convert no message by a schema.
  Schema.suspend(() =>
    Wire.codecFrom(
      schema,
      (bytes, start, end) => {
        checkFrame(limits, bytes, start, end)
        return read(bytes, start, end)
      },
      write
    )
  )

/** Returns a function that writes the frame of any of the messages. */
export const writer = (messages: ReadonlyArray<Wire.AnyMessage>, codegen: Wire.Codegen | undefined) => {
  const writers = new Map<string, (out: ByteWriter, message: unknown) => void>()
  const makeWriter = (definition: Wire.Definition) => {
    if (codegen !== undefined) return frameWriter(definition, codegen)
    const uses = new UseCount(usesBeforeGenerating)
    const interpreted = frameWriter(definition, "interpreted")
    return (out: ByteWriter, message: unknown): void => {
      if (!uses.reaches()) return interpreted(out, message)
      const write = frameWriter(definition, defaultCodegen)
      writers.set(definition.name, write)
      write(out, message)
    }
  }
  const definitions = new Map(messages.map(({ definition }) => [definition.name, definition]))
  return (out: ByteWriter, message: { readonly _tag: string }): void => {
    let write = writers.get(message._tag)
    if (write === undefined) {
      const definition = definitions.get(message._tag)
      if (definition === undefined) {
        throw reason("ValueInvalid", "Frame", "_tag", 0, "the name of a message", JSON.stringify(message._tag))
      }
      write = makeWriter(definition)
      writers.set(message._tag, write)
    }
    write(out, message)
  }
}
