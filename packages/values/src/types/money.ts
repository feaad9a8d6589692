/**
 * `money`.
 *
 * @since 0.1.0
 */
import * as Codec from "../internal/codec.ts"
import type { Type } from "../Type.ts"
import { int8 } from "./integers.ts"

/**
 * `money`: the amount in the smallest unit of the currency, such as cents, as a `bigint`.
 *
 * **Gotchas**
 *
 * How many of these units make one of the currency, and how the text looks, is a setting of the server (`lc_monetary`) that
 * no message tells. In text an amount is read by its digits and sign; it is written in binary only.
 *
 * @category types
 * @since 0.1.0
 */
export const money: Type<bigint, bigint | number> = {
  name: "money",
  oid: 790,
  arrayOid: 791,
  schema: int8.schema,
  text: {
    read: (bytes, start, end) => {
      const text = Codec.utf8(bytes, start, end, "money", 0)
      const digits = text.replaceAll(/\D/g, "")
      if (digits === "" || digits.length > 19) return Codec.malformed("money", 0, "an amount", "another text")
      const amount = BigInt(digits)
      return /[-(]/.test(text) ? -amount : amount
    },
    write: () => Codec.notRepresentable("money", 0, "binary, because the text depends on the server", "text")
  },
  binary: int8.binary,
  hyper: undefined
}
