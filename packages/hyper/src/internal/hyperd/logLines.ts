/**
 * The lines of the server's log files, read as they grow.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Bytes from "effect/Bytes"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

/** The server names them `hyperd.log`, `hyperd_1.log` if that one is in use, and with a time if their size is limited. */
const isLogFile = (name: string): boolean => /^hyperd(?:_\d+)*\.log$/.test(name)

/** The bytes of a file that are read at once. */
const chunkSize = 256 * 1024

/** A line that is longer, such as one with the text of a very long query, is skipped. */
export const maxLineLength = 1024 * 1024

const newline = 0x0a

const decode = (bytes: Uint8Array): string | undefined => Utf8.decode(bytes, 0, bytes.length)

/** Splits bytes into lines. The end of the last one is kept until the rest of it comes. */
export const makeSplitter = () => {
  let parts: Array<Uint8Array> = []
  let length = 0
  let isSkipping = false
  return (chunk: Uint8Array): Array<string> => {
    const lines: Array<string> = []
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const isTooLong = isSkipping || length + end - start > maxLineLength
      const line = isTooLong ? undefined : decode(Bytes.concat([...parts, chunk.subarray(start, end)]))
      if (line !== undefined) lines.push(line)
      parts = []
      length = 0
      isSkipping = false
      start = end + 1
    }
    if (isSkipping || start === chunk.length) return lines
    length += chunk.length - start
    if (length > maxLineLength) {
      isSkipping = true
      parts = []
    } else parts.push(chunk.slice(start))
    return lines
  }
}

/** The length of a line's beginning, as in `{"ts":"2026-03-01T12:00:00.123456"`. */
const timeLength = 33

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

interface Tail {
  offset: number
  split: ReturnType<typeof makeSplitter>
}

/** Returns an effect that reads the next lines of the log files in a directory, none if there are no new ones. */
export const make = Effect.fnUntraced(function*(
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  from: "start" | "now"
): Effect.fn.Return<Effect.Effect<Array<string>, PlatformError>, PlatformError> {
  let tails = new Map<string, Tail>()

  const list = Effect.map(fs.readDirectory(directory), (names) => names.filter(isLogFile).sort())
  const sizeOf = (name: string) =>
    Effect.map(fs.stat(path.join(directory, name)), ({ size }) => Number(ByteSize.toBigInt(size)))

  /** The server deletes the oldest files: one may be gone by now. */
  const ifPresent = <A>(effect: Effect.Effect<A, PlatformError>, otherwise: A) =>
    Effect.catchReason(effect, "PlatformError", "NotFound", () => Effect.succeed(otherwise))

  const readFile = (name: string, tail: Tail) =>
    ifPresent(
      Effect.scoped(Effect.gen(function*() {
        const size = yield* sizeOf(name)
        if (size < tail.offset) Object.assign(tail, { offset: 0, split: makeSplitter() })
        if (size === tail.offset) return []
        const file = yield* fs.open(path.join(directory, name))
        const buffer = new Uint8Array(Math.min(chunkSize, size - tail.offset))
        const count = yield* file.read(buffer, { position: BigInt(tail.offset) })
        tail.offset += count
        return tail.split(buffer.subarray(0, count))
      })),
      []
    )

  if (from === "now") {
    for (const name of yield* list) {
      tails.set(name, { offset: yield* ifPresent(sizeOf(name), 0), split: makeSplitter() })
    }
  }

  return Effect.gen(function*() {
    const names = yield* list
    tails = new Map(names.map((name) => [name, tails.get(name) ?? { offset: 0, split: makeSplitter() }]))
    const lines = (yield* Effect.forEach(tails, ([name, tail]) => readFile(name, tail))).flat()
    // Two files can grow in turns (H-63). Each line begins with the time.
    return lines.sort((a, b) => compare(a.slice(0, timeLength), b.slice(0, timeLength)))
  })
})
