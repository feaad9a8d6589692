/**
 * Reads the messages of a server, and reuses those that repeat.
 *
 * @internal
 */
import * as Backend from "@hyperfect/protocol/Backend"

const tags = new Map(
  Backend.messages.map(({ definition }) => [definition.name as string, definition.tag!.charCodeAt(0)])
)

/** Returns the tag byte of the message of this name. */
export const tagOf = (name: Backend.Message["_tag"]): number => tags.get(name)!

/** The tags of the messages around rows, which are short and mostly repeat. */
const cachedTags =
  (["ParseComplete", "BindComplete", "CloseComplete", "NoData", "CommandComplete", "ReadyForQuery"] as const).map(tagOf)

/** The place of each cached tag in a reader's cache, counted from 1. */
const places = new Uint8Array(256)
for (const [i, tag] of cachedTags.entries()) places[tag] = i + 1

interface CachedMessage {
  frame: Uint8Array
  message: Backend.Message | undefined
}

const emptyFrame = new Uint8Array(0)

/** The largest frame that is cached: a longer one is unlikely to repeat. */
const maxCachedSize = 32

/**
 * Creates a reader of frames. A message equal, byte by byte, to the last one of its kind is returned as the same
 * object, so that repeating a statement decodes no text.
 */
export const makeReader = (): (bytes: Uint8Array, start: number, end: number) => Backend.Message => {
  const read = Backend.readerUnsafe()
  const last = [undefined, ...cachedTags.map((): CachedMessage => ({ frame: emptyFrame, message: undefined }))]
  return (bytes, start, end) => {
    const known = last[places[bytes[start]!]!]
    const size = end - start
    if (known === undefined || size > maxCachedSize) return read(bytes, start, end)
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
