/**
 * The type `hstore` of the extension `hstore`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import { define } from "../internal/codec/properties.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import type { Format, Type } from "../Type.ts"

/**
 * Texts keyed by name, each of which may be NULL.
 *
 * @category models
 * @since 0.1.0
 */
export type Hstore = { readonly [key: string]: string | null }

const isText = (u: unknown): u is string => typeof u === "string" && u.isWellFormed() && !u.includes("\0")

const isPlain = (u: unknown): u is object => {
  if (typeof u !== "object" || u === null) return false
  const prototype: unknown = Object.getPrototypeOf(u)
  return prototype === Object.prototype || prototype === null
}

const isHstore = (u: unknown): u is Hstore =>
  isPlain(u) && Object.entries(u).every(([key, value]) => isText(key) && (value === null || isText(value)))

const entriesOf = (value: unknown, format: Format): ReadonlyArray<[string, string | null]> =>
  isHstore(value)
    ? Object.entries(value)
    : Codec.typeMismatch("hstore", format, "an object of texts without U+0000, or null", value)

const wanted = "\"key\"=>\"value\" or \"key\"=>NULL, with commas between"

const isBlank = (character: string): boolean => /\s/.test(character)

/** Does not use a single regular expression, which fails for texts of some megabytes (M-14). */
const parse = (text: string): Hstore | undefined => {
  const value = {}
  let at = 0

  const skipBlanks = (): void => {
    while (at < text.length && isBlank(text[at]!)) at++
  }

  /** Reads a key or a value, quoted or not. */
  const take = (): { readonly text: string; readonly isNull: boolean } | undefined => {
    skipBlanks()
    const isQuoted = text[at] === "\""
    const begin = isQuoted ? ++at : at
    const isEnd = (character: string): boolean =>
      isQuoted
        ? character === "\""
        : character === "," || character === "\"" || isBlank(character) || text.startsWith("=>", at)
    let plain = ""
    let from = begin
    for (; at < text.length; at++) {
      if (text[at] === "\\") {
        plain += text.slice(from, at)
        from = ++at // and skips the escaped character
      } else if (isEnd(text[at]!)) break
    }
    if (isQuoted ? at >= text.length : at > text.length || at === begin) return undefined
    plain += text.slice(from, at)
    const isNull = !isQuoted && at - begin === 4 && text.slice(begin, at).toLowerCase() === "null"
    if (isQuoted) at++
    skipBlanks()
    return { text: plain, isNull }
  }

  skipBlanks()
  if (at === text.length) return value
  for (;;) {
    const key = take()
    if (key === undefined || !text.startsWith("=>", at)) return undefined
    at += 2
    const found = take()
    if (found === undefined) return undefined
    // The first of duplicate keys wins, as in the server.
    if (!Object.hasOwn(value, key.text)) define(value, key.text, found.isNull ? null : found.text)
    if (at === text.length) return value
    if (text[at++] !== ",") return undefined
  }
}

const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`

/**
 * `hstore`: an object of texts, with `null` for NULL.
 *
 * @category types
 * @since 0.1.0
 */
export const hstore: Type<Hstore> = {
  name: "hstore",
  oid: 0,
  arrayOid: 0,
  schema: ValueSchema.refine("an object of texts", {
    kind: "object",
    is: isHstore,
    arbitrary: Schema.Array(Schema.Tuple([Schema.String, Schema.NullOr(Schema.String)])).check(Schema.isMaxLength(4)),
    fromArbitrary: (entries) =>
      Object.fromEntries(entries.filter((entry) => entry.every((t) => t === null || isText(t))))
  }),
  text: Codec.text(
    "hstore",
    wanted,
    parse,
    (value: Hstore) =>
      entriesOf(value, 0).map(([key, text]) => `${quote(key)}=>${text === null ? "NULL" : quote(text)}`).join(", ")
  ),
  // A count, then the key and the value of each pair, each with its length, which is -1 for NULL (hstore_send).
  binary: {
    read: (bytes, start, end) => {
      const fail = (): never => Codec.malformed("hstore", 1, "as many pairs as it says", `${end - start} other bytes`)
      const count = end - start < 4 ? -1 : Numbers.int32(bytes, start)
      let at = start + 4
      const length = (least: number): number => {
        const found = end - at < 4 ? -2 : Numbers.int32(bytes, at)
        at += 4
        return found < least || found > end - at ? fail() : found
      }
      const take = (size: number): string => Codec.utf8(bytes, at, at += size, "hstore", 1)
      if (count < 0) return fail()
      const value = {}
      for (let i = 0; i < count; i++) {
        const key = take(length(0))
        const size = length(-1)
        define(value, key, size < 0 ? null : take(size))
      }
      return at === end ? value : fail()
    },
    write: (out, value) => {
      const entries = entriesOf(value, 1)
      const write = (text: string): void => Codec.writeSized(out, (out, text) => out.utf8(text), text)
      out.int32(entries.length)
      for (const [key, text] of entries) {
        write(key)
        if (text === null) out.int32(-1)
        else write(text)
      }
    }
  }
}
