/**
 * Network and MAC addresses.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Bytes from "../internal/codec/bytes.ts"
import * as Codec from "../internal/codec/codec.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import * as Ip from "../internal/text/ip.ts"
import type { Format, Type } from "../Type.ts"

const generatedBytes = (count: number) =>
  Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
    Schema.isMinLength(count),
    Schema.isMaxLength(count)
  )

interface Network {
  readonly address: ReadonlyArray<number>
  readonly bits: number
}

/** Address families as PostgreSQL sends them; the numbers are the same on all systems. */
const ipv4 = 2
const ipv6 = 3

const parse = (text: string): Network | undefined => {
  const [host = "", width, ...rest] = text.split("/")
  const address = Ip.parse(host)
  if (address === undefined || rest.length > 0 || (width !== undefined && !/^\d{1,3}$/.test(width))) return undefined
  const bits = width === undefined ? address.length * 8 : Number(width)
  return bits <= address.length * 8 ? { address, bits } : undefined
}

/** Prints the width always for a network, and for an address only if it is not the full width. */
const format = ({ address, bits }: Network, isCidr: boolean): string =>
  isCidr || bits !== address.length * 8 ? `${Ip.format(address)}/${bits}` : Ip.format(address)

/** True if all bits after the width of the network are 0. */
const isNetwork = ({ address, bits }: Network): boolean =>
  address.every((byte, i) => (byte & (0xff >> Math.min(8, Math.max(0, bits - i * 8)))) === 0)

const make = (name: string, oid: number, arrayOid: number, isCidr: boolean): Type<string> => {
  const wanted = isCidr ? "an IP network such as 10.0.0.0/8" : "an IP address, with a width such as /24 or not"
  const parseChecked = (text: string): Network | undefined => {
    const network = parse(text)
    return network === undefined || (isCidr && !isNetwork(network)) ? undefined : network
  }
  const check = (value: unknown, format: Format): Network => {
    if (typeof value !== "string") return Codec.typeMismatch(name, format, wanted, value)
    return parseChecked(value) ?? Codec.outOfRange(name, format, wanted, "another string")
  }
  const canonical = (text: string): string | undefined => {
    const network = parseChecked(text)
    return network === undefined ? undefined : format(network, isCidr)
  }
  return {
    name,
    oid,
    arrayOid,
    schema: ValueSchema.refine(wanted, {
      kind: "string",
      is: (u): u is string => typeof u === "string" && canonical(u) === u,
      arbitrary: Schema.Tuple([
        generatedBytes(16),
        Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 128 })),
        Schema.Boolean
      ]),
      fromArbitrary: ([bytes, width, long]) => {
        const bits = long ? width : width >> 2
        const address = (long ? bytes : bytes.slice(0, 4)).map((byte, i) =>
          isCidr ? byte & ~(0xff >> Math.min(8, Math.max(0, bits - i * 8))) : byte
        )
        return format({ address, bits }, isCidr)
      }
    }),
    text: Codec.text(name, wanted, canonical, (value: string) => {
      check(value, 0)
      return value
    }),
    // The family, the width, a flag for a network, and the number of address bytes (network_send).
    binary: {
      read: (bytes, start, end) => {
        const [family, bits = 0, , size = 0] = bytes.subarray(start, Math.min(end, start + 4))
        const expected = family === ipv4 ? 4 : family === ipv6 ? 16 : -1
        if (size !== expected || end - start !== 4 + expected || bits > size * 8) {
          return Codec.malformed(name, 1, "an address of IPv4 or IPv6", `${end - start} other bytes`)
        }
        return format({ address: Array.from(bytes.subarray(start + 4, end)), bits }, isCidr)
      },
      write: (out, value) => {
        const { address, bits } = check(value, 1)
        out.uint8(address.length === 4 ? ipv4 : ipv6)
        out.uint8(bits)
        out.uint8(isCidr ? 1 : 0)
        out.uint8(address.length)
        for (const byte of address) out.uint8(byte)
      }
    }
  }
}

/**
 * `inet`: an IP address with or without a network width, as PostgreSQL prints it, such as `192.168.0.1/24`.
 *
 * @category types
 * @since 0.1.0
 */
export const inet: Type<string> = make("inet", 869, 1041, false)

/**
 * `cidr`: an IP network as PostgreSQL prints it, such as `10.0.0.0/8`.
 *
 * @category types
 * @since 0.1.0
 */
export const cidr: Type<string> = make("cidr", 650, 651, true)

const mac = (name: string, oid: number, arrayOid: number, size: number): Type<string> => {
  const pattern = new RegExp(`^[0-9a-f]{2}(:[0-9a-f]{2}){${size - 1}}$`, "i")
  const wanted = `${size} pairs of hexadecimal digits with colons between them`
  const check = (value: unknown, format: Format): string => {
    if (typeof value !== "string") return Codec.typeMismatch(name, format, wanted, value)
    return pattern.test(value) ? value : Codec.outOfRange(name, format, wanted, "another string")
  }
  return {
    name,
    oid,
    arrayOid,
    schema: ValueSchema.refine(wanted, {
      kind: "string",
      is: (u): u is string => typeof u === "string" && pattern.test(u) && u === u.toLowerCase(),
      arbitrary: generatedBytes(size),
      fromArbitrary: (bytes) => bytes.map((byte) => Bytes.hex[byte]).join(":")
    }),
    text: Codec.text(
      name,
      wanted,
      (text) => (pattern.test(text) ? text.toLowerCase() : undefined),
      (value: string) => check(value, 0)
    ),
    binary: {
      read: (bytes, start, end) =>
        end - start === size
          ? Array.from(bytes.subarray(start, end), (byte) => Bytes.hex[byte]).join(":")
          : Codec.wrongLength(name, 1, `${size} bytes`, end - start),
      write: (out, value) => {
        for (const pair of check(value, 1).split(":")) out.uint8(parseInt(pair, 16))
      }
    }
  }
}

/**
 * `macaddr`: six bytes such as `08:00:2b:01:02:03`.
 *
 * @category types
 * @since 0.1.0
 */
export const macaddr: Type<string> = mac("macaddr", 829, 1040, 6)

/**
 * `macaddr8`: eight bytes such as `08:00:2b:01:02:03:04:05`.
 *
 * @category types
 * @since 0.1.0
 */
export const macaddr8: Type<string> = mac("macaddr8", 774, 775, 8)
