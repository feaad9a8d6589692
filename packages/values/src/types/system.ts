/**
 * PostgreSQL's internal types.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import type { Format, Type } from "../Type.ts"
import { oid } from "./integers.ts"

/** Derives a type that differs from `oid`, an unsigned 32-bit integer, in its name, OIDs and category only. */
const unsigned = (name: string, typeOid: number, arrayOid: number): Type<number> => ({
  ...oid,
  name,
  oid: typeOid,
  arrayOid,
  category: undefined,
  hyper: undefined
})

/**
 * `xid`, a transaction number, which wraps around after 2^32.
 *
 * @category types
 * @since 0.1.0
 */
export const xid: Type<number> = unsigned("xid", 28, 1011)

/**
 * `cid`, the number of a command within its transaction.
 *
 * @category types
 * @since 0.1.0
 */
export const cid: Type<number> = unsigned("cid", 29, 1012)

const maxUint64 = BigInt("18446744073709551615")
const unsigned64 = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: BigInt(0), maximum: maxUint64 }))

const check64 = (typeName: string, format: Format, value: unknown): bigint => {
  const wanted = `a bigint from 0 to ${maxUint64}`
  if (typeof value !== "bigint") return Codec.typeMismatch(typeName, format, wanted, value)
  return BigInt.asUintN(64, value) === value ? value : Codec.outOfRange(typeName, format, wanted, "another bigint")
}

const binary64 = (typeName: string) => ({
  read: Codec.sized(typeName, 1, 8, (bytes, at) => BigInt.asUintN(64, Numbers.int64(bytes, at))),
  write: (out: Codec.ByteWriter, value: bigint): void => out.int64(BigInt.asIntN(64, check64(typeName, 1, value)))
})

/** Parses an unsigned 64-bit integer; `undefined` for any other text. */
const unsigned64Of = (text: string): bigint | undefined => {
  const value = /^(0x[0-9a-fA-F]{1,16}|\d{1,20})$/.test(text) ? BigInt(text) : undefined
  return value !== undefined && value <= maxUint64 ? value : undefined
}

/**
 * `xid8`, a transaction number that does not wrap around.
 *
 * @category types
 * @since 0.1.0
 */
export const xid8: Type<bigint> = {
  name: "xid8",
  oid: 5069,
  arrayOid: 271,
  schema: unsigned64,
  text: Codec.text(
    "xid8",
    "an unsigned integer of 64 bits",
    unsigned64Of,
    (value: bigint) => check64("xid8", 0, value).toString()
  ),
  binary: binary64("xid8")
}

const lsnPattern = /^([0-9a-fA-F]{1,8})\/([0-9a-fA-F]{1,8})$/

const parseLsn = (text: string): bigint | undefined => {
  const match = lsnPattern.exec(text)
  return match === null
    ? undefined
    : BigInt(parseInt(match[1]!, 16)) * BigInt(0x100000000) + BigInt(parseInt(match[2]!, 16))
}

/**
 * `pg_lsn`, a position in the write-ahead log, in bytes, as a `bigint`. Its text format is `16/B374D848`.
 *
 * @category types
 * @since 0.1.0
 */
export const pgLsn: Type<bigint> = {
  name: "pg_lsn",
  oid: 3220,
  arrayOid: 3221,
  schema: unsigned64,
  text: Codec.text("pg_lsn", "two hexadecimal numbers with a slash between them", parseLsn, (value: bigint) => {
    const lsn = check64("pg_lsn", 0, value)
    return `${(lsn >> BigInt(32)).toString(16)}/${BigInt.asUintN(32, lsn).toString(16)}`.toUpperCase()
  }),
  binary: binary64("pg_lsn")
}

/**
 * The physical location of a row: the page, and its place in the page.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Tid = Schema.Struct({
  block: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })),
  offset: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
})

/**
 * The value of a {@link Tid}.
 *
 * @category models
 * @since 0.1.0
 */
export type Tid = typeof Tid.Type

const isTid = Schema.is(Tid)

const checkTid = (value: unknown, format: Format): Tid =>
  isTid(value) ? value : Codec.typeMismatch("tid", format, "{ block, offset }", value)

const parseTid = (text: string): Tid | undefined => {
  const match = /^\((\d{1,10}),(\d{1,5})\)$/.exec(text)
  const tid = { block: Number(match?.[1]), offset: Number(match?.[2]) }
  return isTid(tid) ? tid : undefined
}

/**
 * `tid`, the type of `ctid`: the physical location of a row.
 *
 * @category types
 * @since 0.1.0
 */
export const tid: Type<Tid> = {
  name: "tid",
  oid: 27,
  arrayOid: 1010,
  schema: Tid,
  text: Codec.text("tid", "(block,offset)", parseTid, (value: Tid) => {
    const { block, offset } = checkTid(value, 0)
    return `(${block},${offset})`
  }),
  binary: {
    read: Codec.sized("tid", 1, 6, (bytes, at) => ({
      block: Numbers.int32(bytes, at) >>> 0,
      offset: Numbers.int16(bytes, at + 4) & 0xffff
    })),
    write: (out, value) => {
      const { block, offset } = checkTid(value, 1)
      out.int32(block)
      out.int16(offset)
    }
  }
}

/**
 * The transactions that a snapshot sees: all before `xmin`, none from `xmax` on, and between these all except
 * `inProgress`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Snapshot = Schema.Struct({ xmin: unsigned64, xmax: unsigned64, inProgress: Schema.Array(unsigned64) })

/**
 * The value of a {@link Snapshot}.
 *
 * @category models
 * @since 0.1.0
 */
export type Snapshot = typeof Snapshot.Type

const isSnapshot = Schema.is(Snapshot)

const checkSnapshot = (typeName: string, format: Format, value: unknown): Snapshot =>
  isSnapshot(value) ? value : Codec.typeMismatch(typeName, format, "{ xmin, xmax, inProgress } of bigints", value)

const parseSnapshot = (text: string): Snapshot | undefined => {
  const [xmin, xmax, list, ...rest] = text.split(":")
  if (list === undefined || rest.length > 0) return undefined
  const numbers = [xmin!, xmax!, ...(list === "" ? [] : list.split(","))].map(unsigned64Of)
  const [first, second, ...others] = numbers as ReadonlyArray<bigint>
  return numbers.includes(undefined) ? undefined : { xmin: first!, xmax: second!, inProgress: others }
}

const snapshot = (name: string, typeOid: number, arrayOid: number): Type<Snapshot> => ({
  name,
  oid: typeOid,
  arrayOid,
  schema: Snapshot,
  text: Codec.text(name, "xmin:xmax:list", parseSnapshot, (value: Snapshot) => {
    const { inProgress, xmax, xmin } = checkSnapshot(name, 0, value)
    return `${xmin}:${xmax}:${inProgress.join(",")}`
  }),
  binary: {
    read: (bytes, start, end) => {
      const count = end - start < 20 ? -1 : Numbers.int32(bytes, start)
      if (count < 0 || end - start !== 20 + count * 8) {
        return Codec.wrongLength(name, 1, "20 bytes and 8 for each transaction", end - start)
      }
      const at = (index: number) => BigInt.asUintN(64, Numbers.int64(bytes, start + 4 + index * 8))
      return { xmin: at(0), xmax: at(1), inProgress: Array.from({ length: count }, (_, i) => at(i + 2)) }
    },
    write: (out, value) => {
      const { inProgress, xmax, xmin } = checkSnapshot(name, 1, value)
      out.int32(inProgress.length)
      for (const xid of [xmin, xmax, ...inProgress]) out.int64(BigInt.asIntN(64, xid))
    }
  }
})

/**
 * `pg_snapshot`.
 *
 * @category types
 * @since 0.1.0
 */
export const pgSnapshot: Type<Snapshot> = snapshot("pg_snapshot", 5038, 5039)

/**
 * `txid_snapshot`, the older name of `pg_snapshot`.
 *
 * @category types
 * @since 0.1.0
 */
export const txidSnapshot: Type<Snapshot> = snapshot("txid_snapshot", 2970, 2949)

/** Derives a type for objects of the catalogue: the name in text format, the OID in binary. */
const registered = (name: string, typeOid: number, arrayOid: number): Type<number | string> => ({
  name,
  oid: typeOid,
  arrayOid,
  schema: Schema.Union([oid.schema, Schema.String]),
  text: {
    read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, 0),
    write: (out, value, typeModifier) => {
      if (typeof value === "number") return oid.text.write(out, value, typeModifier)
      if (typeof value !== "string") return Codec.typeMismatch(name, 0, "a name or an OID", value)
      if (!value.isWellFormed() || value.includes("\0")) Codec.notRepresentable(name, 0, "a name", "another string")
      out.utf8(value)
    }
  },
  binary: oid.binary && {
    read: oid.binary.read,
    write: (out, value, typeModifier) => {
      if (typeof value === "string") Codec.notRepresentable(name, 1, "an OID; a name can be sent as text", "string")
      oid.binary!.write(out, value as number, typeModifier)
    }
  },
  hyper: oid.hyper && Codec.fixed(4, {
    read: oid.hyper.read,
    write: (out, value, typeModifier) => {
      if (typeof value === "string") Codec.notRepresentable(name, 2, "an OID", "string")
      oid.hyper!.write(out, value as number, typeModifier)
    }
  })
})

/**
 * `regclass`, a table or another relation: its name in text format, its OID in binary.
 *
 * @category types
 * @since 0.1.0
 */
export const regclass: Type<number | string> = registered("regclass", 2205, 2210)

/**
 * `regtype`, a type: its name in text format, its OID in binary.
 *
 * @category types
 * @since 0.1.0
 */
export const regtype: Type<number | string> = registered("regtype", 2206, 2211)

/**
 * The types that refer to objects of the catalogue, as {@link regclass} does: also functions, operators, roles,
 * schemas, collations and the objects of text search.
 *
 * @internal
 */
export const registeredTypes: ReadonlyArray<Type<number | string>> = [
  regclass,
  regtype,
  registered("regproc", 24, 1008),
  registered("regprocedure", 2202, 2207),
  registered("regoper", 2203, 2208),
  registered("regoperator", 2204, 2209),
  registered("regrole", 4096, 4097),
  registered("regnamespace", 4089, 4090),
  registered("regconfig", 3734, 3735),
  registered("regdictionary", 3769, 3770),
  registered("regcollation", 4191, 4192)
]

/**
 * `void`, the result type of functions that return nothing: `undefined`.
 *
 * @category types
 * @since 0.1.0
 */
export const void_: Type<undefined> = {
  name: "void",
  oid: 2278,
  arrayOid: 0,
  schema: Schema.Undefined,
  text: { read: () => undefined, write: () => Codec.notRepresentable("void", 0, "a type with values", "void") },
  binary: { read: () => undefined, write: () => Codec.notRepresentable("void", 1, "a type with values", "void") }
}
