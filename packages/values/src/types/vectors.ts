/**
 * The short arrays of PostgreSQL's catalogue.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"
import { int2, oid } from "./integers.ts"

const encodeCount = 20 // dimensions, flag, OID of the elements, length, lower bound

const make = (
  name: string,
  typeOid: number,
  arrayOid: number,
  element: Type<number, number | bigint>
): Type<ReadonlyArray<number>> => {
  const binary = element.binary as TypeCodec<number, number | bigint>
  const check = (value: unknown, format: Format): ReadonlyArray<number> =>
    Array.isArray(value) ? value : Codec.typeMismatch(name, format, "array", value)
  return {
    name,
    oid: typeOid,
    arrayOid,
    hasArrayValues: true,
    // The binary format has no encoding of an empty value that the server accepts (int2vectorrecv).
    prefersText: true,
    schema: Schema.Array(element.schema as Schema.Codec<number>),
    text: {
      read: (bytes, start, end) => {
        const values: Array<number> = []
        for (let at = start; at < end;) {
          let stop = at
          while (stop < end && bytes[stop] !== 0x20) stop++
          values.push(element.text.read(bytes, at, stop, -1))
          at = stop + 1
        }
        return values
      },
      write: (out, value) => {
        for (const [i, item] of check(value, 0).entries()) {
          if (i > 0) out.uint8(0x20)
          element.text.write(out, item, -1)
        }
      }
    },
    // An array with one dimension that starts at 0, which is present even if the array is empty.
    binary: {
      read: (bytes, start, end) => {
        const count = end - start < encodeCount ? -1 : Numbers.int32(bytes, start + 12)
        const size = element === int2 ? 2 : 4
        if (
          count < 0 || end - start !== encodeCount + count * (4 + size) || Numbers.int32(bytes, start) !== 1 ||
          Numbers.int32(bytes, start + 8) !== element.oid
        ) return Codec.malformed(name, 1, "one dimension without NULL", `${end - start} other bytes`)
        return Array.from({ length: count }, (_, i) => {
          const at = start + encodeCount + i * (4 + size) + 4
          return binary.read(bytes, at, at + size, -1)
        })
      },
      write: (out, value) => {
        const values = check(value, 1)
        // The server would read it as an array without dimensions, and reject it (int2vectorrecv).
        if (values.length === 0) Codec.notRepresentable(name, 1, "at least one element", "none")
        out.int32(1)
        out.int32(0)
        out.int32(element.oid)
        out.int32(values.length)
        out.int32(0)
        for (const item of values) {
          out.int32(element === int2 ? 2 : 4)
          binary.write(out, item, -1)
        }
      }
    }
  }
}

/**
 * `int2vector` of PostgreSQL's catalogue: an array of numbers.
 *
 * @category types
 * @since 0.1.0
 */
export const int2vector: Type<ReadonlyArray<number>> = make("int2vector", 22, 1006, int2)

/**
 * `oidvector` of PostgreSQL's catalogue: an array of OIDs.
 *
 * @category types
 * @since 0.1.0
 */
export const oidvector: Type<ReadonlyArray<number>> = make("oidvector", 30, 1013, oid)
