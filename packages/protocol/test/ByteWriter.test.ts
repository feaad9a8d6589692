import { assert, describe, it } from "@effect/vitest"
import { ByteWriter } from "@hyperfect/protocol"
import { reasonOf } from "./outcome.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("ByteWriter", () => {
  it("writes integers and floats in both byte orders", () => {
    const out = ByteWriter.make()
    out.uint8(0xfe)
    out.int16(-2)
    out.int16LE(-2)
    out.int16(0x0102)
    out.int16LE(0x0102)
    out.int32(0x01020304)
    out.int32LE(0x01020304)
    out.int64(BigInt("0x0102030405060708"))
    out.int64LE(BigInt("0x0102030405060708"))
    out.float32(1.5)
    out.float32LE(1.5)
    out.float64(-2)
    out.float64LE(-2)
    assert.strictEqual(
      hex(out.take()),
      "fe" + "fffe" + "feff" + "0102" + "0201" + "01020304" + "04030201" + "0102030405060708" + "0807060504030201" +
        "3fc00000" + "0000c03f" + "c000000000000000" + "00000000000000c0"
    )
  })

  it("grows in every writing method", () => {
    const writes: Record<string, (out: ByteWriter.ByteWriter) => void> = {
      uint8: (out) => out.uint8(1),
      int16: (out) => out.int16(1),
      int16LE: (out) => out.int16LE(1),
      int32: (out) => out.int32(1),
      int32LE: (out) => out.int32LE(1),
      int64: (out) => out.int64(BigInt(1)),
      int64LE: (out) => out.int64LE(BigInt(1)),
      float32: (out) => out.float32(1),
      float32LE: (out) => out.float32LE(1),
      float64: (out) => out.float64(1),
      float64LE: (out) => out.float64LE(1),
      copy: (out) => out.copy(Uint8Array.of(1, 2, 3)),
      utf8: (out) => out.utf8("aé€😀")
    }
    for (const [name, write] of Object.entries(writes)) {
      const small = ByteWriter.make(0)
      const large = ByteWriter.make(1 << 20)
      for (let i = 0; i < 20_000; i++) {
        write(small)
        write(large)
      }
      assert.strictEqual(hex(small.take()), hex(large.take()), name)
    }
  })

  it("keeps a saved position valid while it grows, also after an earlier take", () => {
    const out = ByteWriter.make(16)
    out.copy(new Uint8Array(9).fill(7))
    const taken = out.take()
    const at = out.position
    out.int32(0)
    out.copy(new Uint8Array(100_000).fill(9))
    out.setInt32(at, 0x0a0b0c0d)
    const whole = out.take()
    assert.strictEqual(whole.length, 100_004)
    assert.strictEqual(hex(whole.subarray(0, 5)), "0a0b0c0d09")
    assert.strictEqual(hex(taken), "07".repeat(9))
  })

  it("overwrites a length in both byte orders", () => {
    const out = ByteWriter.make()
    const at = out.position
    out.int32(0)
    out.setInt32(at, -2)
    assert.strictEqual(hex(out.bytes.subarray(at, at + 4)), "fffffffe")
    out.setInt32LE(at, 0x01020304)
    assert.strictEqual(hex(out.take()), "04030201")
  })

  it("never modifies bytes that it has returned", () => {
    const out = ByteWriter.make()
    const taken: Array<Uint8Array> = []
    for (let i = 0; i < 5000; i++) {
      out.int32(i)
      if (i % 7 === 0) out.copy(new Uint8Array(i % 300).fill(i))
      taken.push(out.take())
    }
    taken.forEach((bytes, i) => assert.strictEqual(new DataView(bytes.buffer, bytes.byteOffset).getInt32(0), i))
  })

  it("returns nothing if nothing was written", () => {
    const out = ByteWriter.make()
    assert.strictEqual(out.take().length, 0)
    out.uint8(1)
    assert.strictEqual(out.size, 1)
    out.take()
    assert.strictEqual(out.size, 0)
    assert.strictEqual(out.take().length, 0)
  })

  it("transfers ownership of a large batch's slab to the caller", () => {
    const out = ByteWriter.make()
    out.copy(new Uint8Array(1 << 20))
    const taken = out.take()
    out.uint8(1)
    assert.notStrictEqual(out.bytes.buffer, taken.buffer)
    assert.isAtMost(out.bytes.length, 128 * 1024)
  })

  it("writes well-formed text, and nothing of text that is not allowed", () => {
    const out = ByteWriter.make(4)
    for (const filling of ["", "x".repeat(100), "é".repeat(40)]) {
      for (
        const [text, isText, isNoNul] of [["a", true, true], ["\0", true, false], ["\ud800", false, false]] as const
      ) {
        assert.strictEqual(out.tryUtf8(filling + text), isText)
        assert.strictEqual(hex(out.take()), isText ? Buffer.from(filling + text).toString("hex") : "")
        assert.strictEqual(out.tryUtf8NoNul(filling + text), isNoNul)
        assert.strictEqual(hex(out.take()), isNoNul ? Buffer.from(filling + text).toString("hex") : "")
      }
    }
  })

  it("adapts the slab size to the size of previous batches", () => {
    const out = ByteWriter.make()
    const buffers = new Set<ArrayBufferLike>()
    for (let i = 0; i < 100; i++) {
      out.copy(new Uint8Array(66_000))
      buffers.add(out.take().buffer)
    }
    const [first, ...others] = [...buffers].map((buffer) => buffer.byteLength)
    assert.isAtMost(first!, 256 * 1024)
    for (const size of others) assert.isAtMost(size, 80_000)
    out.uint8(1)
    out.take()
    for (let i = 0; i < 100; i++) {
      out.copy(new Uint8Array(1000))
      buffers.add(out.take().buffer)
    }
    assert.strictEqual([...buffers].at(-1)!.byteLength, 16 * 1024)
  })

  it("allocates no slab after a take until the next write", () => {
    const out = ByteWriter.make(64)
    out.int32(1)
    out.take()
    assert.strictEqual(out.bytes.length, 0)
    out.int32(2)
    assert.strictEqual(hex(out.take()), "00000002")
  })

  it("stops growing once it has adapted to the batch size", () => {
    const out = ByteWriter.make()
    const batch = new Uint8Array(50_000).fill(1)
    out.copy(batch)
    out.take()
    for (let i = 0; i < 20; i++) {
      out.uint8(1)
      const { bytes } = out
      out.copy(batch)
      assert.strictEqual(out.bytes, bytes)
      assert.strictEqual(out.take().length, 50_001)
    }
  })

  it("discards bytes written since the last take, or since a position", () => {
    const out = ByteWriter.make(4)
    out.int32(1)
    assert.strictEqual(hex(out.take()), "00000001")
    out.int32(2)
    const at = out.position
    out.copy(new Uint8Array(50_000))
    out.rewind(at)
    out.uint8(3)
    assert.strictEqual(hex(out.bytes.subarray(at - 4, out.position)), "0000000203")
    out.rewind()
    assert.strictEqual(out.size, 0)
    out.uint8(4)
    assert.strictEqual(hex(out.take()), "04")
  })

  it("refuses to grow beyond the maximum of a length word, before it allocates", () => {
    const out = ByteWriter.make()
    out.uint8(0)
    assert.deepInclude(reasonOf(() => out.ensure(0x7fffffff)), { _tag: "LengthExceeded", found: "2147483648" })
  })
})

describe("ByteWriter.bytesOf", () => {
  it("returns a separate array, also if another value is written meanwhile, fails, or is large", () => {
    const write = (out: ByteWriter.ByteWriter, length: number): void => {
      out.int32(length)
      if (length === 3) throw new Error("on purpose")
      if (length === 2) assert.strictEqual(hex(ByteWriter.bytesOf(write, 1)), "0000000101")
      out.copy(new Uint8Array(length).fill(length))
    }
    for (const length of [1, 2, 300_000, 1]) {
      const bytes = ByteWriter.bytesOf(write, length)
      assert.strictEqual(bytes.length, length + 4)
      assert.strictEqual(bytes.buffer.byteLength, bytes.length)
      assert.strictEqual(new DataView(bytes.buffer).getInt32(0), length)
      assert.isTrue(bytes.subarray(4).every((byte) => byte === (length & 0xff)))
      assert.throws(() => ByteWriter.bytesOf(write, 3), /on purpose/)
    }
  })
})
