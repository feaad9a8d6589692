/**
 * Types that users and extensions have defined, read from PostgreSQL's catalogue.
 *
 * {@link query} builds the statement that reads them, {@link Row} is a row of its result, and {@link types} turns the
 * rows into types: enums, composite types, domains, ranges, multiranges, extension types that are known by name, and
 * arrays of all of these, at any nesting depth. This module does not talk to a server; clients run the statement when
 * they meet an unknown type.
 *
 * Hyper has built-in types only, which `TypeRegistry.builtIn` contains.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as BuiltIn from "./BuiltIn.ts"
import type * as Type from "./Type.ts"
import * as TypeRegistry from "./TypeRegistry.ts"

const Oid = Schema.Int

/**
 * A type in the catalogue.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Row = Schema.Struct({
  oid: Oid,
  /** The name it was created with, without its schema. */
  name: Schema.String,
  /** The name as the server would print it in the current session: quoted and schema-qualified where necessary. */
  title: Schema.String,
  /**
   * The kind: `b` base type or array, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange, `p` pseudo-type.
   */
  kind: Schema.String,
  /** The OID of its array type, or 0. */
  arrayOid: Oid,
  /** The OID of an array's element type, otherwise 0. */
  elementOid: Oid,
  /** The character that separates the elements in the text of its arrays. */
  delimiter: Schema.String,
  /** The OID of a domain's base type, otherwise 0. */
  baseOid: Oid,
  /** The type modifier of a domain, or -1. */
  typeModifier: Schema.Int,
  /** The OID of the type of a range's or multirange's bounds, otherwise 0. */
  boundOid: Oid,
  /** True if the type has a binary format. */
  hasBinary: Schema.Boolean,
  /** The labels of an enum, in order. */
  labels: Schema.Array(Schema.String),
  /** The names of a composite type's fields, in order, without dropped fields. */
  fieldNames: Schema.Array(Schema.String),
  fieldOids: Schema.Array(Oid),
  fieldTypeModifiers: Schema.Array(Schema.Int)
})

/**
 * A type in the catalogue.
 *
 * @category models
 * @since 0.1.0
 */
export type Row = typeof Row.Type

/**
 * Returns the statement that reads these types and all types they consist of. Its columns are the fields of
 * {@link Row}.
 *
 * **Details**
 *
 * The statement has no parameters, so it can be sent with the simple protocol. It uses the catalogue's indices and
 * reads these types only, because a database may have a hundred thousand others. It runs on PostgreSQL 9.5 and later.
 *
 * @category statements
 * @since 0.1.0
 */
export const query = (oids: Iterable<number>): string => {
  const wanted = Array.from(oids, (oid) => `${oid >>> 0}`).join()
  const fields = (value: string): string =>
    `array(select ${value} from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c'
      and a.attnum > 0 and not a.attisdropped order by a.attnum)`
  // Multiranges are new in PostgreSQL 14; before, the column does not exist.
  const bounds = `(select r.rngsubtype from pg_catalog.pg_range r
      where r.rngtypid = t.oid or (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid)`
  return `with recursive needed(oid) as (
    select pg_catalog.unnest('{${wanted}}'::oid[])
    union
    select part.oid from needed n join pg_catalog.pg_type t on t.oid = n.oid, lateral (
      select t.typelem
      union all select t.typbasetype
      union all select ${bounds}
      union all select pg_catalog.unnest(${fields("a.atttypid")})
    ) part(oid) where part.oid <> 0
  )
  select t.oid, t.typname::text as name, pg_catalog.format_type(t.oid, null) as title, t.typtype::text as kind,
    t.typarray as "arrayOid",
    coalesce((select e.oid from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid), 0) as "elementOid",
    t.typdelim::text as delimiter, t.typbasetype as "baseOid", t.typtypmod as "typeModifier",
    coalesce(${bounds}, 0) as "boundOid",
    t.typsend::oid <> 0 and t.typreceive::oid <> 0 as "hasBinary",
    array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
    ${fields("a.attname::text")} as "fieldNames", ${fields("a.atttypid")} as "fieldOids",
    ${fields("a.atttypmod")} as "fieldTypeModifiers"
  from pg_catalog.pg_type t where t.oid = any (array(select n.oid from needed n))`
}

/** Limits the nesting depth, in case a server sends deeper types. */
const maxDepth = 64

/** Describes an unknown type, which has its text form only. */
const textOnly = (oid: number, arrayOid: number, name: string): Type.Any => ({
  ...BuiltIn.unknown,
  name,
  oid,
  arrayOid,
  binary: undefined,
  hyper: undefined
})

const withModifier = <A, I>(codec: Type.Codec<A, I>, typeModifier: number): Type.Codec<A, I> =>
  typeModifier === -1 ? codec : {
    read: (bytes, start, end) => codec.read(bytes, start, end, typeModifier),
    write: (out, value) => codec.write(out, value, typeModifier)
  }

const domain = (base: Type.Any, row: Row): Type.Any => {
  const { arrayOid, oid, title, typeModifier } = row
  return {
    ...base,
    name: title,
    oid,
    arrayOid,
    base,
    hasArrayValues: base.hasArrayValues === true || isArray(base),
    mapParts: (change) => domain(change(base), row),
    text: withModifier(base.text, typeModifier),
    binary: base.binary && withModifier(base.binary, typeModifier),
    hyper: undefined
  }
}

const isArray = ({ arrayOid, name }: Type.Any): boolean => arrayOid === 0 && name.endsWith("[]")

/**
 * Returns the types that the catalogue's rows describe, and their array types.
 *
 * **Details**
 *
 * Component types are looked up in the registry first, so if the registry reads `int8` as a number, composite types and
 * ranges do too. A base type is either an extension type that the registry knows by name, or has its text form only.
 * Enums accept any label when written, because labels may have been added since; the server checks them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const types = (
  rows: Iterable<Row>,
  registry: Pick<TypeRegistry.TypeRegistry, "find" | "findByName">
): ReadonlyArray<Type.Any> => {
  const byOid = new Map(Array.from(rows, (row) => [row.oid, row]))
  const made = new Map<number, Type.Any>()
  const under = new Set<number>()

  const typeOf = (oid: number): Type.Any => {
    const known = registry.find(oid) ?? made.get(oid)
    if (known !== undefined) return known
    const row = byOid.get(oid)
    // A type never contains itself, even if a server claims so.
    if (row === undefined || under.has(oid) || under.size === maxDepth) return textOnly(oid, 0, `oid ${oid}`)
    under.add(oid)
    const type = { ...build(row), delimiter: row.delimiter === "" ? undefined : row.delimiter.charCodeAt(0) }
    under.delete(oid)
    made.set(oid, type)
    return type
  }

  const build = (row: Row): Type.Any => {
    const { arrayOid, name, oid, title } = row
    const identity = { name: title, oid, arrayOid }
    switch (row.kind) {
      case "e":
        return BuiltIn.openEnumeration(row.labels, identity)
      case "c":
        return BuiltIn.composite(
          row.fieldNames.map((name, i) => ({
            name,
            type: typeOf(row.fieldOids[i]!),
            typeModifier: row.fieldTypeModifiers[i]
          })),
          identity
        )
      case "d":
        return domain(typeOf(row.baseOid), row)
      case "r":
        return BuiltIn.range(typeOf(row.boundOid), identity)
      case "m":
        return BuiltIn.multirange(typeOf(row.boundOid), identity)
      case "b": {
        if (row.elementOid !== 0) return { ...BuiltIn.array(typeOf(row.elementOid)), oid }
        const extension = registry.findByName(name)
        return extension?.oid === 0
          ? { ...extension, ...identity, binary: row.hasBinary ? extension.binary : undefined }
          : textOnly(oid, arrayOid, title)
      }
      default:
        return textOnly(oid, arrayOid, title)
    }
  }

  for (const oid of byOid.keys()) typeOf(oid)
  return TypeRegistry.withArrays(made.values())
}
