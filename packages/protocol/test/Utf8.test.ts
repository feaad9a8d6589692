import { assert, describe, it } from "@effect/vitest"
import { Utf8 } from "@hyperfect/protocol"
import { reasonOf } from "./outcome.ts"

const encode = (text: string) => new Uint8Array(Buffer.from(text))

/** Decodes the text from the middle of other bytes, with both functions. */
const decodeBoth = (bytes: Uint8Array): string | undefined => {
  const padded = new Uint8Array(bytes.length + 6).fill(0x41)
  padded.set(bytes, 3)
  const text = Utf8.decode(padded, 3, 3 + bytes.length)
  assert.strictEqual(Utf8.decodeCached(padded, 3, 3 + bytes.length), text)
  // Once more: the text may now be cached.
  assert.strictEqual(Utf8.decodeCached(padded, 3, 3 + bytes.length), text)
  return text
}

/** Returns the bytes of a text written in the middle of others, by all writing functions. */
const write = (text: string): Uint8Array => {
  const [bytes, ...others] = [Utf8.writeUnsafe, Utf8.write, Utf8.writeNoNul].map((write) => {
    const into = new Uint8Array(text.length * 3 + 4).fill(0xee)
    const written = write(text, into, 2)
    assert.deepStrictEqual([into[0], into[1], into[2 + written]], [0xee, 0xee, 0xee])
    return into.slice(2, 2 + written)
  })
  for (const other of others) assert.deepStrictEqual(other, bytes)
  return bytes!
}

/** Lengths on both sides of each limit at which the algorithm changes. */
const lengths = [0, 1, 2, 8, 11, 12, 13, 16, 17, 24, 31, 32, 33, 34, 100, 1000]
const characters = [
  "a",
  "\u007f",
  "\u0080",
  "é",
  "\u07ff",
  "\u0800",
  "€",
  "\ufffd",
  "\ufeff",
  "\uffff",
  "😀",
  "\u{10ffff}"
]

describe("Utf8", () => {
  for (const length of lengths) {
    it(`round-trips text of about ${length} bytes, with each kind of character at either end`, () => {
      for (const character of characters) {
        const filling = "x".repeat(Math.max(0, length - encode(character).length))
        for (const text of [filling, character + filling, filling + character, character.repeat(length)]) {
          const bytes = encode(text)
          assert.deepStrictEqual(write(text), bytes)
          assert.strictEqual(Utf8.byteLength(text), bytes.length)
          assert.strictEqual(decodeBoth(bytes), text)
        }
      }
    })
  }

  it("keeps a byte order mark", () => {
    for (const text of ["\ufeff", "\ufeffabc", "\ufeff" + "x".repeat(40)]) {
      assert.strictEqual(decodeBoth(encode(text)), text)
    }
  })

  it("keeps a U+FFFD that was actually sent", () => {
    for (const text of ["\ufffd", "a\ufffdb", "\ufffd".repeat(30)]) assert.strictEqual(decodeBoth(encode(text)), text)
  })
})

describe("Utf8.decode > invalid bytes", () => {
  const invalid: Record<string, ReadonlyArray<number>> = {
    "a lone continuation byte": [0x80],
    "a lead byte at the end": [0xc3],
    "two bytes of three": [0xe2, 0x82],
    "three bytes of four": [0xf0, 0x9f, 0x98],
    "a lead byte before ASCII": [0xc3, 0x41],
    "an overlong slash": [0xc0, 0xaf],
    "an overlong NUL": [0xc0, 0x80],
    "an overlong form of three bytes": [0xe0, 0x80, 0xaf],
    "a high surrogate": [0xed, 0xa0, 0x80],
    "a surrogate pair encoded as two three-byte sequences": [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
    "above U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
    "a byte that is never valid": [0xff]
  }
  for (const [name, sequence] of Object.entries(invalid)) {
    it(`are rejected: ${name}, at either end of texts of all lengths`, () => {
      for (const length of lengths) {
        const filling = Array.from({ length }, () => 0x78)
        assert.isUndefined(decodeBoth(Uint8Array.from([...filling, ...sequence])))
        assert.isUndefined(decodeBoth(Uint8Array.from([...filling, ...sequence, 0x78])))
      }
    })
  }

  it("are rejected also beside a U+FFFD that was actually sent", () => {
    assert.isUndefined(decodeBoth(Uint8Array.from([...encode("\ufffd"), 0x80])))
  })
})

describe("Utf8.decode > text longer than the maximum string length", () => {
  it("fails with a length error", () => {
    const text = new Uint8Array(0x2000_0000)
    const reason = reasonOf(() => Utf8.decode(text, 0, text.length))
    assert.deepInclude(reason, { _tag: "LengthExceeded", found: "536870912 bytes" })
  })
})

describe("Utf8.write > forbidden text", () => {
  const into = new Uint8Array(5000)
  const fillings = lengths.map((length) => "x".repeat(length))

  it("rejects an unpaired surrogate at any position", () => {
    for (const filling of fillings) {
      for (const half of ["\ud83d", "\ude00", "\ude00\ud83d"]) {
        for (const text of [half + filling, filling + half, `é${filling}${half}é`]) {
          assert.strictEqual(Utf8.write(text, into, 0), -1)
          assert.strictEqual(Utf8.writeNoNul(text, into, 0), -1)
        }
      }
    }
  })

  it("rejects U+0000 where it is not allowed", () => {
    for (const filling of fillings) {
      for (const text of ["\0" + filling, filling + "\0", `é${filling}\0é`]) {
        assert.strictEqual(Utf8.write(text, into, 0), encode(text).length)
        assert.strictEqual(Utf8.writeNoNul(text, into, 0), -1)
      }
    }
  })
})

describe("Utf8.decodeCached", () => {
  it("distinguishes texts of the same length that differ at either end or in the middle", () => {
    const texts = ["abcde", "abXde", "aXcde", "abcXe"]
    for (let round = 0; round < 3; round++) {
      for (const text of texts) assert.strictEqual(decodeBoth(encode(text)), text)
    }
  })

  it("distinguishes bytes from a text whose code units have the same values", () => {
    // U+00C3 U+00A9 has the units C3 A9, which are also the two bytes of U+00E9.
    assert.strictEqual(decodeBoth(encode("\u00c3\u00a9")), "\u00c3\u00a9")
    assert.strictEqual(decodeBoth(Uint8Array.of(0xc3, 0xa9)), "\u00e9")
  })
})
