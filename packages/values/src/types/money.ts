/**
 * `money`.
 *
 * @since 0.1.0
 */
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as Money from "../Money.ts"
import type { Format, Type } from "../Type.ts"

/**
 * Accepts `Money` only: a plain number could be in the currency's unit, as in a text for the server, or in the smallest
 * unit.
 */
const unitsOf = (value: unknown, format: Format): bigint => {
  if (!Money.isMoney(value)) return Codec.typeMismatch("money", format, "Money", value)
  return BigInt.asIntN(64, value.units) === value.units
    ? value.units
    : Codec.outOfRange("money", format, "an amount of 64 bits", "a larger one")
}

const readText = (text: string): Money.Money | undefined => {
  const digits = text.replaceAll(/\D/g, "")
  if (digits === "" || digits.length > 19) return undefined
  const amount = BigInt(digits)
  return Money.fromUnitsUnsafe(/[-(]/.test(text) ? -amount : amount)
}

/**
 * `money`: a `Money`, which is the amount in the smallest unit of the currency, such as cents.
 *
 * **Details**
 *
 * Numbers are rejected when writing: `12` could be twelve dollars, as in SQL, or twelve cents. A string is read by the
 * server as it reads a literal.
 *
 * **Gotchas**
 *
 * The number of smallest units per unit of currency, and the text format, depend on a server setting (`lc_monetary`)
 * that no message contains. Text is read by its digits and sign; amounts are written in binary only.
 *
 * @category types
 * @since 0.1.0
 */
export const money: Type<Money.Money> = {
  name: "money",
  oid: 790,
  arrayOid: 791,
  category: "money",
  schema: Money.Money,
  text: {
    read: (bytes, start, end) =>
      readText(Codec.utf8(bytes, start, end, "money", 0)) ?? Codec.malformed("money", 0, "an amount", "another text"),
    write: () => Codec.notRepresentable("money", 0, "binary, because the text depends on the server", "text")
  },
  binary: {
    read: Codec.sized("money", 1, 8, (bytes, at) => Money.fromUnitsUnsafe(Numbers.int64(bytes, at))),
    write: (out, value) => out.int64(unitsOf(value, 1))
  }
}
