/**
 * Reads the messages of a server, and knows again those that are the same every time.
 *
 * @internal
 */
import * as Backend from "@hyperfect/protocol/Backend"

const tags = new Map(
  Backend.messages.map(({ definition }) => [definition.name as string, definition.tag!.charCodeAt(0)])
)

/** The tag of the message of this name. */
export const tagOf = (name: Backend.Message["_tag"]): number => tags.get(name)!

/** What stands around rows: messages of few bytes, and mostly the same ones again and again. */
const recurring =
  (["ParseComplete", "BindComplete", "CloseComplete", "NoData", "CommandComplete", "ReadyForQuery"] as const).map(tagOf)

interface Last {
  frame: Uint8Array
  message: Backend.Message | undefined
}

const nothing = new Uint8Array(0)

/** A longer one is not likely to come again. */
const maxSize = 32

/**
 * A reader of frames. A message that is the same, byte by byte, as the last one of its kind is that very object again, so
 * that a statement that is run over and over costs no text to decode.
 */
export const make = (): (bytes: Uint8Array, start: number, end: number) => Backend.Message => {
  const read = Backend.readerUnsafe()
  const last = new Array<Last | undefined>(256).fill(undefined)
  for (const tag of recurring) last[tag] = { frame: nothing, message: undefined }
  return (bytes, start, end) => {
    const known = last[bytes[start]!]
    const size = end - start
    if (known === undefined || size > maxSize) return read(bytes, start, end)
    const { frame, message } = known
    if (message !== undefined && frame.length === size) {
      let i = 0
      while (i < size && frame[i] === bytes[start + i]) i++
      if (i === size) return message
    }
    known.message = read(bytes, start, end)
    known.frame = new Uint8Array(bytes.subarray(start, end))
    return known.message
  }
}
