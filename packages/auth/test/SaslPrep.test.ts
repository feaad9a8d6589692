import { assert, describe, it } from "@effect/vitest"
import { SaslPrep } from "@hyperfect/auth"
import { Schema } from "effect"

const unchanged = (text: string): [string, string] => [text, text]

/** RFC 4013, section 3, and the passwords of PostgreSQL's own test suite. */
const full: ReadonlyArray<readonly [what: string, text: string, prepared: string]> = [
  ["plain ASCII", ...unchanged("user")],
  ["the case of letters", ...unchanged("USER")],
  ["a soft hyphen", "I\u00adX", "IX"],
  ["an ordinal indicator", "\u00aa", "a"],
  ["a Roman numeral that is one character", "\u2168", "IX"],
  ["a ligature", "\ufb01sh", "fish"],
  ["a combining accent", "e\u0301", "\u00e9"],
  ["a no-break space", "a\u00a0b", "a b"],
  ["an ideographic space", "a\u3000b", "a b"],
  ["a zero width space, which is in two tables", "a\u200bb", "a b"],
  ["a zero width joiner", "a\u200db", "ab"],
  ["a control character in ASCII, which is prohibited", ...unchanged("foo\u0007bar")],
  ["a control character beyond ASCII, which is prohibited", ...unchanged("\u2168\u0085")],
  ["a private use character, which is prohibited", ...unchanged("\u2168\ue000")],
  ["an unpaired surrogate, which is prohibited", ...unchanged("\u2168\ud800")],
  ["a tag character, which is prohibited", ...unchanged("\u2168\u{e0041}")],
  ["a character that Unicode 3.2 did not have", ...unchanged("e\u0301\u{1f600}")],
  ["right-to-left text", "\u0627\u0628\u00ad", "\u0627\u0628"],
  ["right-to-left text that ends in a digit", ...unchanged("\u0627\u0031\u00ad")],
  ["right-to-left text that begins with a digit", ...unchanged("\u0031\u0627\u00ad")],
  ["right-to-left text with a digit inside", "\u0627\u0031\u00ad\u0628", "\u0627\u0031\u0628"],
  ["text of both directions", ...unchanged("\u0627a\u0628\u00ad")],
  ["text that would become empty", ...unchanged("\u00ad\u200c")],
  ["nothing", ...unchanged("")]
]

const mapping: ReadonlyArray<readonly [what: string, text: string, prepared: string]> = [
  ["a soft hyphen", "I\u00adX", "IX"],
  ["a no-break space", "a\u00a0b", "a b"],
  ["an ordinal indicator", ...unchanged("\u00aa")],
  ["a Roman numeral that is one character", ...unchanged("\u2168")],
  ["a ligature", ...unchanged("\ufb01")],
  ["a combining accent", ...unchanged("e\u0301")],
  ["a prohibited character beside one that is mapped", "\u0085\u00ad", "\u0085"]
]

describe("SaslPrep.prepare", () => {
  for (const [what, text, prepared] of full) {
    it(`prepares ${what}`, () => assert.strictEqual(SaslPrep.prepare(text, "full"), prepared))
  }

  for (const [what, text, prepared] of mapping) {
    it(`only maps ${what}`, () => assert.strictEqual(SaslPrep.prepare(text, "mapping"), prepared))
  }

  it.prop(
    "is idempotent",
    { codePoints: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0x33ff }))) },
    ({ codePoints }) => {
      const prepared = SaslPrep.prepare(String.fromCodePoint(...codePoints), "full")
      return SaslPrep.prepare(prepared, "full") === prepared
    },
    { arbitrary: { runs: 2000 } }
  )
})
