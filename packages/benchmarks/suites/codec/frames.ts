/** Byte streams as received from a socket, and the minimum work of any decoder. */
import { createHash } from "node:crypto"
import type { Prepared } from "../../Workload.ts"

const chunkSize = 64 * 1024

/** Concatenates the frames and cuts them every 64 KiB, each chunk in its own memory. */
export const toChunks = (frames: ReadonlyArray<Buffer>): ReadonlyArray<Buffer> => {
  const all = Buffer.concat(frames)
  const chunks: Array<Buffer> = []
  for (let start = 0; start < all.length; start += chunkSize) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(chunkSize, all.length - start))
    all.copy(chunk, 0, start)
    chunks.push(chunk)
  }
  return chunks
}

/** Makes a frame: tag, length, body. */
export const frame = (tag: string, ...body: ReadonlyArray<Buffer>): Buffer => {
  const header = Buffer.alloc(5)
  header.write(tag, "latin1")
  header.writeInt32BE(4 + body.reduce((length, part) => length + part.length, 0), 1)
  return Buffer.concat([header, ...body])
}

/** Makes a DataRow message of the fields. */
export const dataRow = (fields: ReadonlyArray<Buffer | null>): Buffer => {
  const count = Buffer.alloc(2)
  count.writeInt16BE(fields.length)
  const parts = fields.flatMap((field) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(field === null ? -1 : field.length)
    return field === null ? [length] : [length, field]
  })
  return frame("D", count, ...parts)
}

/** Makes a digest of lines, in order. */
export const makeDigest = () => {
  const hash = createHash("sha256")
  return { add: (line: string) => void hash.update(line).update("\n"), end: () => hash.digest("hex").slice(0, 16) }
}

/** Calls back with the tag and the bounds of every frame, joining those that are split across chunks. */
export const eachFrame = (
  chunks: ReadonlyArray<Uint8Array>,
  onFrame: (bytes: Uint8Array, view: DataView, start: number, end: number) => void
): void => {
  let rest = new Uint8Array(0)
  for (const chunk of chunks) {
    let bytes = chunk
    if (rest.length > 0) {
      bytes = new Uint8Array(rest.length + chunk.length)
      bytes.set(rest)
      bytes.set(chunk, rest.length)
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = 0
    while (at + 5 <= bytes.length) {
      const end = at + 1 + view.getInt32(at + 1)
      if (end > bytes.length) break
      onFrame(bytes, view, at, end)
      at = end
    }
    rest = bytes.slice(at)
  }
}

/** Copies every byte once. */
export const memcpy = (chunks: ReadonlyArray<Uint8Array>): Prepared => {
  const target = new Uint8Array(chunkSize)
  return {
    run: () => {
      for (const chunk of chunks) target.set(chunk)
    },
    check: () => Promise.resolve(undefined)
  }
}

/** Walks from header to header, and reads nothing else. `count` is the expected number of frames. */
export const headerWalk = (chunks: ReadonlyArray<Uint8Array>, count: number): Prepared => {
  const walk = (): number => {
    let met = 0
    let tags = 0
    // The position of the next header, from the start of the chunk; and its bytes so far if it is split.
    let at = 0
    const split = new Uint8Array(5)
    let filled = 0
    for (const chunk of chunks) {
      const end = chunk.length
      while (at < end) {
        let length: number
        if (filled === 0 && at + 5 <= end) {
          tags += chunk[at]!
          length = (chunk[at + 1]! << 24) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!
        } else {
          const before = filled
          while (filled < 5 && at + filled - before < end) {
            split[filled] = chunk[at + filled - before]!
            filled++
          }
          if (filled < 5) {
            at = end
            break
          }
          tags += split[0]!
          length = (split[1]! << 24) | (split[2]! << 16) | (split[3]! << 8) | split[4]!
          at -= before
          filled = 0
        }
        at += 1 + length
        met++
      }
      at -= end
    }
    if (met !== count || tags === 0) throw new Error(`met ${met} frames instead of ${count}`)
    return tags
  }
  return { run: walk, check: () => Promise.resolve(undefined) }
}
