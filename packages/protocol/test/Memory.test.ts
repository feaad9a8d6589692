import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame } from "@hyperfect/protocol"

const mebibyte = 1024 * 1024

describe("Memory", () => {
  it("stays flat while a gibibyte of rows is parsed in chunks of 64 KiB", () => {
    const row = Backend.encodeUnsafe({
      _tag: "DataRow",
      columns: [new Uint8Array(500).fill(1), null, new Uint8Array(3000).fill(2), new Uint8Array(8)]
    })
    // The chunks of a stream of rows, split every 64 KiB: the pattern repeats after as many chunks as a row has bytes.
    const stream = new Uint8Array(row.length * 64)
    for (let at = 0; at < stream.length; at += row.length) stream.set(row, at)
    const read = Backend.readerUnsafe()
    let rows = 0
    let bytes = 0
    const parser = Frame.makeParser(Backend.limits(), (frame, start, end) => {
      const message = read(frame, start, end)
      if (message._tag === "DataRow" && message.columns[2]?.length === 3000) rows++
    })
    let at = 0
    let peak = 0
    const before = process.memoryUsage().rss
    while (bytes < 1024 * mebibyte) {
      // A new chunk each time, as a socket produces them.
      const chunk = new Uint8Array(64 * 1024)
      for (let filled = 0; filled < chunk.length;) {
        const part = stream.subarray(at, at + chunk.length - filled)
        chunk.set(part, filled)
        filled += part.length
        at = (at + part.length) % stream.length
      }
      parser.push(chunk)
      bytes += chunk.length
      if (bytes % (16 * mebibyte) === 0) peak = Math.max(peak, process.memoryUsage().rss)
    }
    assert.strictEqual(rows, Math.floor(bytes / row.length))
    assert.isBelow(peak - before, 256 * mebibyte)
  }, 60_000)

  it("of a chunk is retained by a view of a column, until the column is copied", () => {
    const frame = Backend.encodeUnsafe({ _tag: "DataRow", columns: [new Uint8Array(8)] })
    const chunk = new Uint8Array(64 * 1024)
    chunk.set(frame)
    const message = Backend.readerUnsafe()(chunk, 0, frame.length)
    if (message._tag !== "DataRow") return assert.fail(message._tag)
    const [column] = message.columns
    // As documented: the column is a view, which must be copied to be kept.
    assert.strictEqual(column!.buffer, chunk.buffer)
    assert.strictEqual(column!.slice().buffer.byteLength, 8)
  })
})
