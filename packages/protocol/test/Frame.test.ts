import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame, Frontend } from "@hyperfect/protocol"
import { reasonOf } from "./thrown.ts"

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

/** Pushes the bytes in one piece, in two cut at each place, and byte by byte; the reason is the same every time. */
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

describe("the header of a frame", () => {
  it("with a tag that no message has is refused", () => {
    const { _tag, field, found, messageName, offset } = refused(bytes("3f 00000004"))
    assert.deepStrictEqual([_tag, messageName, field, offset, found], ["TagUnknown", "Frame", "tag", 0, "\"?\""])
  })

  it("with a zero byte for a tag is refused, although packets without a tag exist", () => {
    assert.strictEqual(refused(bytes("00 00000004")).found, "\"\\u0000\"")
  })

  for (const length of [3, 1, 0]) {
    it(`with the length ${length}, which does not even count itself, is refused`, () => {
      const { _tag, found, offset } = refused(bytes(`5a 0000000${length}`))
      assert.deepStrictEqual([_tag, offset, found], ["LengthInvalid", 1, `${length} in message "Z"`])
    })
  }

  it("with a negative length is refused", () => {
    assert.deepInclude(refused(bytes("44 ffffffff")), { _tag: "LengthInvalid", found: "-1 in message \"D\"" })
    assert.deepInclude(refused(bytes("44 80000000")), { _tag: "LengthInvalid", found: "-2147483648 in message \"D\"" })
  })

  it("with a length of nearly 2^31 is refused, and nothing is allocated for it", () => {
    const before = process.memoryUsage().arrayBuffers
    assert.deepInclude(refused(bytes("44 7fffffff")), { _tag: "LengthExceeded", wanted: "at most 1073741823" })
    assert.strictEqual(refused(bytes("44 40000000"))._tag, "LengthExceeded")
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 64 * 1024 * 1024)
  })

  it("of a short message is refused at 30,001 bytes and taken at 30,000", () => {
    assert.deepInclude(refused(bytes("5a 00007531")), { _tag: "LengthExceeded", found: "30001 in message \"Z\"" })
    const { parser } = collect()
    parser.push(bytes("5a 00007530"))
    assert.strictEqual(parser.pending(), 5)
  })

  it("of a long message is held to the limit that was set, and a short one to its own", () => {
    const longLimit = 1024
    assert.strictEqual(refused(bytes("44 00000401"), { longLimit })._tag, "LengthExceeded")
    const { parser } = collect({ longLimit })
    parser.push(bytes("44 00000400"))
    assert.strictEqual(parser.pending(), 5)
    const short = collect({ longLimit })
    short.parser.push(bytes("5a 00007530"))
    assert.strictEqual(short.parser.pending(), 5)
  })

  it("without a tag is held to the limit of the packets that open a connection", () => {
    assert.deepInclude(refused(bytes("00002711"), { tagged: false }), {
      _tag: "LengthExceeded",
      offset: 0,
      found: "10001 in a packet without tag"
    })
    assert.deepInclude(refused(bytes("00000003"), { tagged: false }), { _tag: "LengthInvalid", offset: 0 })
    assert.deepInclude(refused(bytes("ffffffff"), { tagged: false }), { _tag: "LengthInvalid", offset: 0 })
  })

  it("that is wrong leaves the frames before it", () => {
    const { frames, parser } = collect()
    reasonOf(() => parser.push(bytes("31 00000004 32 00000004 3f 00000004 33 00000004")))
    assert.deepStrictEqual(frames(), ["3100000004", "3200000004"])
  })
})

describe("frames", () => {
  const three = bytes("31 00000004 5a 00000005 49 43 0000000d 53454c4543542031 00")
  const cut = ["3100000004", "5a0000000549", "430000000d53454c454354203100"]

  it("come whole however a chunk is cut in two", () => {
    for (let at = 0; at <= three.length; at++) {
      const { frames, parser } = collect()
      parser.push(three.subarray(0, at))
      parser.push(three.subarray(at))
      assert.deepStrictEqual(frames(), cut)
      assert.strictEqual(parser.pending(), 0)
    }
  })

  it("come whole byte by byte, with empty chunks in between", () => {
    const { frames, parser } = collect()
    for (const byte of three) {
      parser.push(new Uint8Array(0))
      parser.push(Uint8Array.of(byte))
    }
    assert.deepStrictEqual(frames(), cut)
  })

  it("inside a chunk are read in place", () => {
    const { parser, seen } = collect()
    parser.push(three)
    for (const { buffer } of seen) assert.strictEqual(buffer, three)
  })

  it("over many chunks are copied once, into a buffer of their own size", () => {
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
    // Twice would be two million.
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 1_500_000 + frame.length)
    assert.strictEqual(seen.length, 1)
    assert.strictEqual(seen[0]!.buffer.buffer.byteLength, frame.length)
    assert.deepStrictEqual(seen[0]!.frame, frame)
    // Of no chunk is anything held.
    for (const { buffer } of chunks) assert.notStrictEqual(seen[0]!.buffer.buffer, buffer)
  })

  it("that are cut by the end of a chunk do not pin it", () => {
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

  it("may lose their tag and get it back while a chunk is read: a server's start-up", () => {
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

  it("that are unfinished can be taken over, and the parser starts anew behind them", () => {
    const { frames, parser } = collect()
    parser.push(bytes("31 00000004 5a 000000"))
    assert.deepStrictEqual(parser.takePending(), bytes("5a 000000"))
    assert.strictEqual(parser.pending(), 0)
    assert.deepStrictEqual(parser.takePending(), new Uint8Array(0))
    parser.push(bytes("32 00000004"))
    assert.deepStrictEqual(frames(), ["3100000004", "3200000004"])
  })

  it("stop where the callback throws", () => {
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
