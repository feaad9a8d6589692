import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame, Frontend } from "@hyperfect/protocol"
import { Schema } from "effect"
import { reasonOf } from "./outcome.ts"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

interface Seen {
  readonly buffer: Uint8Array
  readonly frame: Uint8Array
}

const collect = (options?: { readonly tagged?: boolean; readonly longLimit?: number }) => {
  const seen: Array<Seen> = []
  const limits = options?.tagged === false ? Frontend.limits(options) : Backend.limits(options)
  const parser = Frame.makeParser(
    limits,
    (buffer, start, end) => seen.push({ buffer, frame: buffer.slice(start, end) })
  )
  parser.tagged = options?.tagged ?? true
  return { parser, seen, frames: () => seen.map(({ frame }) => Buffer.from(frame).toString("hex")) }
}

/**
 * Pushes the bytes in one piece, split in two at each position, and byte by byte; the reason must be the same each
 * time.
 */
const refused = (input: Uint8Array, options?: { readonly tagged?: boolean; readonly longLimit?: number }) => {
  const push = (chunks: ReadonlyArray<Uint8Array>) =>
    reasonOf(() => {
      const { parser } = collect(options)
      for (const chunk of chunks) parser.push(chunk)
    })
  const reason = push([input])
  for (let cut = 1; cut < input.length; cut++) {
    assert.deepStrictEqual(push([input.subarray(0, cut), input.subarray(cut)]), reason)
  }
  assert.deepStrictEqual(push(Array.from(input, (byte) => Uint8Array.of(byte))), reason)
  return reason
}

describe("Frame > header", () => {
  it("rejects a tag that no message has", () => {
    const { _tag, field, found, messageName, offset } = refused(bytes("3f 00000004"))
    assert.deepStrictEqual([_tag, messageName, field, offset, found], ["TagUnknown", "Frame", "tag", 0, "\"?\""])
  })

  it("rejects a zero byte as a tag, although packets without a tag exist", () => {
    assert.strictEqual(refused(bytes("00 00000004")).found, "\"\\u0000\"")
  })

  for (const length of [3, 1, 0]) {
    it(`rejects the length ${length}, which is less than its own four bytes`, () => {
      const { _tag, found, offset } = refused(bytes(`5a 0000000${length}`))
      assert.deepStrictEqual([_tag, offset, found], ["LengthInvalid", 1, `${length} in message "Z"`])
    })
  }

  it("rejects a negative length", () => {
    assert.deepInclude(refused(bytes("44 ffffffff")), { _tag: "LengthInvalid", found: "-1 in message \"D\"" })
    assert.deepInclude(refused(bytes("44 80000000")), { _tag: "LengthInvalid", found: "-2147483648 in message \"D\"" })
  })

  it("rejects a length of nearly 2^31, and allocates nothing for it", () => {
    const before = process.memoryUsage().arrayBuffers
    assert.deepInclude(refused(bytes("44 7fffffff")), { _tag: "LengthExceeded", wanted: "at most 1073741823" })
    assert.strictEqual(refused(bytes("44 40000000"))._tag, "LengthExceeded")
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 64 * 1024 * 1024)
  })

  it("does not allocate the claimed length: the buffer of a frame grows with the bytes received", () => {
    const before = process.memoryUsage().arrayBuffers
    const parsers = Array.from({ length: 64 }, () => collect().parser)
    for (const parser of parsers) parser.push(bytes("44 3fffffff"))
    for (const parser of parsers) parser.push(new Uint8Array(20_000))
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 64 * 4 * 20_000)
    assert.isTrue(parsers.every((parser) => parser.pending() === 20_005))
  })

  it("rejects a short message of 30,001 bytes and accepts one of 30,000", () => {
    assert.deepInclude(refused(bytes("5a 00007531")), { _tag: "LengthExceeded", found: "30001 in message \"Z\"" })
    const { parser } = collect()
    parser.push(bytes("5a 00007530"))
    assert.strictEqual(parser.pending(), 5)
  })

  it("applies the configured limit to long messages, and the limit of their own to short ones", () => {
    const longLimit = 1024
    assert.strictEqual(refused(bytes("44 00000401"), { longLimit })._tag, "LengthExceeded")
    const { parser } = collect({ longLimit })
    parser.push(bytes("44 00000400"))
    assert.strictEqual(parser.pending(), 5)
    const short = collect({ longLimit })
    short.parser.push(bytes("5a 00007530"))
    assert.strictEqual(short.parser.pending(), 5)
  })

  it("applies the limit of packets that open a connection to frames without a tag", () => {
    assert.deepInclude(refused(bytes("00002711"), { tagged: false }), {
      _tag: "LengthExceeded",
      offset: 0,
      found: "10001 in a packet without tag"
    })
    assert.deepInclude(refused(bytes("00000003"), { tagged: false }), { _tag: "LengthInvalid", offset: 0 })
    assert.deepInclude(refused(bytes("ffffffff"), { tagged: false }), { _tag: "LengthInvalid", offset: 0 })
  })

  it("emits the frames before an invalid header", () => {
    const { frames, parser } = collect()
    reasonOf(() => parser.push(bytes("31 00000004 32 00000004 3f 00000004 33 00000004")))
    assert.deepStrictEqual(frames(), ["3100000004", "3200000004"])
  })
})

describe("Frame", () => {
  const three = bytes("31 00000004 5a 00000005 49 43 0000000d 53454c4543542031 00")
  const cut = ["3100000004", "5a0000000549", "430000000d53454c454354203100"]

  it("emits whole frames for a chunk split in two at any position", () => {
    for (let at = 0; at <= three.length; at++) {
      const { frames, parser } = collect()
      parser.push(three.subarray(0, at))
      parser.push(three.subarray(at))
      assert.deepStrictEqual(frames(), cut)
      assert.strictEqual(parser.pending(), 0)
    }
  })

  it("emits whole frames byte by byte, with empty chunks in between", () => {
    const { frames, parser } = collect()
    for (const byte of three) {
      parser.push(new Uint8Array(0))
      parser.push(Uint8Array.of(byte))
    }
    assert.deepStrictEqual(frames(), cut)
  })

  it("reads frames inside a chunk in place", () => {
    const { parser, seen } = collect()
    parser.push(three)
    for (const { buffer } of seen) assert.strictEqual(buffer, three)
  })

  it("collects a frame split over many chunks in a separate buffer that grows with it", () => {
    const frame = new Uint8Array(1 + 4 + 1_000_000)
    frame.set(bytes("64 000f4244"))
    for (let i = 5; i < frame.length; i++) frame[i] = i
    const { parser, seen } = collect()
    const chunks: Array<Uint8Array> = []
    for (let at = 0; at < frame.length; at += 65_536) chunks.push(frame.slice(at, at + 65_536))
    const before = process.memoryUsage().arrayBuffers
    for (const chunk of chunks) {
      assert.strictEqual(seen.length, 0)
      parser.push(chunk)
    }
    // Buffers that double add up to less than twice the last one and the growth of the first.
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 2_500_000 + frame.length)
    assert.strictEqual(seen.length, 1)
    assert.strictEqual(seen[0]!.buffer.buffer.byteLength, frame.length)
    assert.deepStrictEqual(seen[0]!.frame, frame)
    // No chunk is retained.
    for (const { buffer } of chunks) assert.notStrictEqual(seen[0]!.buffer.buffer, buffer)
  })

  it("does not retain a chunk whose end splits a frame", () => {
    for (const cut of [1, 4, 5, 8]) {
      const chunk = Buffer.concat([
        Buffer.alloc(65_535, bytes("31 00000004")),
        bytes("44 0000000a 0001 ffffffff").slice(0, cut)
      ])
      const { parser, seen } = collect()
      parser.push(chunk)
      assert.strictEqual(seen.length, 13_107)
      assert.strictEqual(parser.pending(), cut)
      parser.push(bytes("44 0000000a 0001 ffffffff").slice(cut))
      const last = seen.at(-1)!
      assert.strictEqual(Buffer.from(last.frame).toString("hex"), "440000000a0001ffffffff")
      assert.strictEqual(last.buffer.buffer.byteLength, 11)
    }
  })

  it("can switch tags off and on within a chunk, as a server's start-up does", () => {
    const frames: Array<string> = []
    const limits = Frontend.limits()
    const parser = Frame.makeParser(limits, (buffer, start, end) => {
      frames.push(Buffer.from(buffer.slice(start, end)).toString("hex"))
      parser.tagged = Frontend.isStartupMessage(buffer, start)
    })
    parser.tagged = false
    const ssl = "0000000804d2162f"
    const startup = "0000000900030000" + "00"
    const sync = "5300000004"
    const all = bytes(ssl + startup + sync)
    parser.push(all)
    assert.deepStrictEqual(frames, [ssl, startup, sync])
    for (let at = 1; at < all.length; at++) {
      frames.length = 0
      parser.tagged = false
      parser.push(all.subarray(0, at))
      parser.push(all.subarray(at))
      assert.deepStrictEqual(frames, [ssl, startup, sync])
    }
  })

  it("returns the bytes of an incomplete frame and restarts after them", () => {
    const { frames, parser } = collect()
    parser.push(bytes("31 00000004 5a 000000"))
    assert.deepStrictEqual(parser.takePending(), bytes("5a 000000"))
    assert.strictEqual(parser.pending(), 0)
    assert.deepStrictEqual(parser.takePending(), new Uint8Array(0))
    parser.push(bytes("32 00000004"))
    assert.deepStrictEqual(frames(), ["3100000004", "3200000004"])
  })

  const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  const some = (item: Schema.Codec<number>) => Schema.Array(item).check(Schema.isMaxLength(5))

  it.prop(
    "emits whole frames of any size from chunks of any size",
    { sizes: some(Schema.Union([upTo(30), upTo(200_000)])), cuts: some(Schema.Union([upTo(8), upTo(70_000)])) },
    ({ cuts, sizes }) => {
      const wanted = sizes.map((size, i) =>
        Backend.encodeUnsafe({ _tag: "CopyData", data: new Uint8Array(size).fill(i + 1) })
      )
      const all = Buffer.concat(wanted)
      const { parser, seen } = collect()
      for (let at = 0, i = 0; at < all.length; i++) {
        // At least one chunk in a few is larger, to keep the test fast.
        const next = at + Math.max(1, i % 6 === 5 ? 30_000 : cuts[i % 6] ?? 0)
        parser.push(new Uint8Array(all.subarray(at, next)))
        at = next
      }
      assert.deepStrictEqual(seen.map(({ frame }) => frame.length), wanted.map(({ length }) => length))
      assert.strictEqual(Buffer.compare(Buffer.concat(seen.map(({ frame }) => frame)), all), 0)
      assert.strictEqual(parser.pending(), 0)
    }
  )

  it("emits one frame at a time if no more than the missing bytes are pushed", () => {
    const { frames, parser } = collect()
    const rest = [...three, 0x3f, 0, 0, 0, 4]
    const counts: Array<number> = []
    while (frames().length < 3) {
      counts.push(parser.missing())
      parser.push(Uint8Array.from(rest.splice(0, parser.missing())))
    }
    assert.deepStrictEqual(frames(), cut)
    assert.deepStrictEqual(counts, [5, 5, 1, 5, 9])
    assert.strictEqual(rest.length, 5)
  })

  it("applies the limits set last", () => {
    const { parser } = collect()
    parser.setLimits(Backend.limits({ longLimit: 10 }))
    assert.strictEqual(reasonOf(() => parser.push(bytes("44 0000000b")))._tag, "LengthExceeded")
  })

  it("stops where the callback throws", () => {
    const boom = new Error("boom")
    const parser = Frame.makeParser(Backend.limits(), () => {
      throw boom
    })
    try {
      parser.push(bytes("31 00000004"))
      assert.fail("nothing was thrown")
    } catch (thrown) {
      assert.strictEqual(thrown, boom)
    }
  })
})
