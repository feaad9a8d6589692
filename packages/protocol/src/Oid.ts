/**
 * The types whose OIDs are known without asking the server.
 *
 * Written by packages/tooling/generate-oid.ts from the pg_type of PostgreSQL 18, with two types of Hyper's. Row types of
 * tables are not in it, nor types whose OIDs differ between servers: those of extensions, of users, and arrays of them.
 *
 * @since 0.1.0
 */

/**
 * What is known of a type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type {
  readonly oid: number
  /** The type of arrays of it; 0 for none. */
  readonly array: number
  /** What an array, or a vector, consists of; 0 when it is neither. */
  readonly element: number
  readonly category: Category
}

/**
 * The name of each category (`pg_type.typcategory`).
 *
 * @category constants
 * @since 0.1.0
 */
export const categories = {
  A: "Array",
  B: "Boolean",
  C: "Composite",
  D: "DateTime",
  E: "Enum",
  G: "Geometric",
  I: "NetworkAddress",
  N: "Numeric",
  P: "Pseudo",
  R: "Range",
  S: "String",
  T: "Timespan",
  U: "User",
  V: "BitString",
  X: "Unknown",
  Z: "Internal"
} as const

/**
 * @category models
 * @since 0.1.0
 */
export type Category = keyof typeof categories

/**
 * Every type, by its name.
 *
 * @category constants
 * @since 0.1.0
 */
export const types = {
  bool: { oid: 16, array: 1000, element: 0, category: "B" },
  bytea: { oid: 17, array: 1001, element: 0, category: "U" },
  char: { oid: 18, array: 1002, element: 0, category: "Z" },
  name: { oid: 19, array: 1003, element: 0, category: "S" },
  int8: { oid: 20, array: 1016, element: 0, category: "N" },
  int2: { oid: 21, array: 1005, element: 0, category: "N" },
  int2vector: { oid: 22, array: 1006, element: 21, category: "A" },
  int4: { oid: 23, array: 1007, element: 0, category: "N" },
  regproc: { oid: 24, array: 1008, element: 0, category: "N" },
  text: { oid: 25, array: 1009, element: 0, category: "S" },
  oid: { oid: 26, array: 1028, element: 0, category: "N" },
  tid: { oid: 27, array: 1010, element: 0, category: "U" },
  xid: { oid: 28, array: 1011, element: 0, category: "U" },
  cid: { oid: 29, array: 1012, element: 0, category: "U" },
  oidvector: { oid: 30, array: 1013, element: 26, category: "A" },
  pg_ddl_command: { oid: 32, array: 0, element: 0, category: "P" },
  json: { oid: 114, array: 199, element: 0, category: "U" },
  xml: { oid: 142, array: 143, element: 0, category: "U" },
  _xml: { oid: 143, array: 0, element: 142, category: "A" },
  pg_node_tree: { oid: 194, array: 0, element: 0, category: "Z" },
  _json: { oid: 199, array: 0, element: 114, category: "A" },
  table_am_handler: { oid: 269, array: 0, element: 0, category: "P" },
  _xid8: { oid: 271, array: 0, element: 5069, category: "A" },
  index_am_handler: { oid: 325, array: 0, element: 0, category: "P" },
  point: { oid: 600, array: 1017, element: 0, category: "G" },
  lseg: { oid: 601, array: 1018, element: 0, category: "G" },
  path: { oid: 602, array: 1019, element: 0, category: "G" },
  box: { oid: 603, array: 1020, element: 0, category: "G" },
  polygon: { oid: 604, array: 1027, element: 0, category: "G" },
  line: { oid: 628, array: 629, element: 0, category: "G" },
  _line: { oid: 629, array: 0, element: 628, category: "A" },
  cidr: { oid: 650, array: 651, element: 0, category: "I" },
  _cidr: { oid: 651, array: 0, element: 650, category: "A" },
  float4: { oid: 700, array: 1021, element: 0, category: "N" },
  float8: { oid: 701, array: 1022, element: 0, category: "N" },
  unknown: { oid: 705, array: 0, element: 0, category: "X" },
  circle: { oid: 718, array: 719, element: 0, category: "G" },
  _circle: { oid: 719, array: 0, element: 718, category: "A" },
  macaddr8: { oid: 774, array: 775, element: 0, category: "U" },
  _macaddr8: { oid: 775, array: 0, element: 774, category: "A" },
  money: { oid: 790, array: 791, element: 0, category: "N" },
  _money: { oid: 791, array: 0, element: 790, category: "A" },
  macaddr: { oid: 829, array: 1040, element: 0, category: "U" },
  inet: { oid: 869, array: 1041, element: 0, category: "I" },
  _bool: { oid: 1000, array: 0, element: 16, category: "A" },
  _bytea: { oid: 1001, array: 0, element: 17, category: "A" },
  _char: { oid: 1002, array: 0, element: 18, category: "A" },
  _name: { oid: 1003, array: 0, element: 19, category: "A" },
  _int2: { oid: 1005, array: 0, element: 21, category: "A" },
  _int2vector: { oid: 1006, array: 0, element: 22, category: "A" },
  _int4: { oid: 1007, array: 0, element: 23, category: "A" },
  _regproc: { oid: 1008, array: 0, element: 24, category: "A" },
  _text: { oid: 1009, array: 0, element: 25, category: "A" },
  _tid: { oid: 1010, array: 0, element: 27, category: "A" },
  _xid: { oid: 1011, array: 0, element: 28, category: "A" },
  _cid: { oid: 1012, array: 0, element: 29, category: "A" },
  _oidvector: { oid: 1013, array: 0, element: 30, category: "A" },
  _bpchar: { oid: 1014, array: 0, element: 1042, category: "A" },
  _varchar: { oid: 1015, array: 0, element: 1043, category: "A" },
  _int8: { oid: 1016, array: 0, element: 20, category: "A" },
  _point: { oid: 1017, array: 0, element: 600, category: "A" },
  _lseg: { oid: 1018, array: 0, element: 601, category: "A" },
  _path: { oid: 1019, array: 0, element: 602, category: "A" },
  _box: { oid: 1020, array: 0, element: 603, category: "A" },
  _float4: { oid: 1021, array: 0, element: 700, category: "A" },
  _float8: { oid: 1022, array: 0, element: 701, category: "A" },
  _polygon: { oid: 1027, array: 0, element: 604, category: "A" },
  _oid: { oid: 1028, array: 0, element: 26, category: "A" },
  aclitem: { oid: 1033, array: 1034, element: 0, category: "U" },
  _aclitem: { oid: 1034, array: 0, element: 1033, category: "A" },
  _macaddr: { oid: 1040, array: 0, element: 829, category: "A" },
  _inet: { oid: 1041, array: 0, element: 869, category: "A" },
  bpchar: { oid: 1042, array: 1014, element: 0, category: "S" },
  varchar: { oid: 1043, array: 1015, element: 0, category: "S" },
  date: { oid: 1082, array: 1182, element: 0, category: "D" },
  time: { oid: 1083, array: 1183, element: 0, category: "D" },
  timestamp: { oid: 1114, array: 1115, element: 0, category: "D" },
  _timestamp: { oid: 1115, array: 0, element: 1114, category: "A" },
  _date: { oid: 1182, array: 0, element: 1082, category: "A" },
  _time: { oid: 1183, array: 0, element: 1083, category: "A" },
  timestamptz: { oid: 1184, array: 1185, element: 0, category: "D" },
  _timestamptz: { oid: 1185, array: 0, element: 1184, category: "A" },
  interval: { oid: 1186, array: 1187, element: 0, category: "T" },
  _interval: { oid: 1187, array: 0, element: 1186, category: "A" },
  _numeric: { oid: 1231, array: 0, element: 1700, category: "A" },
  _cstring: { oid: 1263, array: 0, element: 2275, category: "A" },
  timetz: { oid: 1266, array: 1270, element: 0, category: "D" },
  _timetz: { oid: 1270, array: 0, element: 1266, category: "A" },
  bit: { oid: 1560, array: 1561, element: 0, category: "V" },
  _bit: { oid: 1561, array: 0, element: 1560, category: "A" },
  varbit: { oid: 1562, array: 1563, element: 0, category: "V" },
  _varbit: { oid: 1563, array: 0, element: 1562, category: "A" },
  numeric: { oid: 1700, array: 1231, element: 0, category: "N" },
  refcursor: { oid: 1790, array: 2201, element: 0, category: "U" },
  _refcursor: { oid: 2201, array: 0, element: 1790, category: "A" },
  regprocedure: { oid: 2202, array: 2207, element: 0, category: "N" },
  regoper: { oid: 2203, array: 2208, element: 0, category: "N" },
  regoperator: { oid: 2204, array: 2209, element: 0, category: "N" },
  regclass: { oid: 2205, array: 2210, element: 0, category: "N" },
  regtype: { oid: 2206, array: 2211, element: 0, category: "N" },
  _regprocedure: { oid: 2207, array: 0, element: 2202, category: "A" },
  _regoper: { oid: 2208, array: 0, element: 2203, category: "A" },
  _regoperator: { oid: 2209, array: 0, element: 2204, category: "A" },
  _regclass: { oid: 2210, array: 0, element: 2205, category: "A" },
  _regtype: { oid: 2211, array: 0, element: 2206, category: "A" },
  record: { oid: 2249, array: 2287, element: 0, category: "P" },
  cstring: { oid: 2275, array: 1263, element: 0, category: "P" },
  any: { oid: 2276, array: 0, element: 0, category: "P" },
  anyarray: { oid: 2277, array: 0, element: 0, category: "P" },
  void: { oid: 2278, array: 0, element: 0, category: "P" },
  trigger: { oid: 2279, array: 0, element: 0, category: "P" },
  language_handler: { oid: 2280, array: 0, element: 0, category: "P" },
  internal: { oid: 2281, array: 0, element: 0, category: "P" },
  anyelement: { oid: 2283, array: 0, element: 0, category: "P" },
  _record: { oid: 2287, array: 0, element: 2249, category: "P" },
  anynonarray: { oid: 2776, array: 0, element: 0, category: "P" },
  _txid_snapshot: { oid: 2949, array: 0, element: 2970, category: "A" },
  uuid: { oid: 2950, array: 2951, element: 0, category: "U" },
  _uuid: { oid: 2951, array: 0, element: 2950, category: "A" },
  txid_snapshot: { oid: 2970, array: 2949, element: 0, category: "U" },
  fdw_handler: { oid: 3115, array: 0, element: 0, category: "P" },
  pg_lsn: { oid: 3220, array: 3221, element: 0, category: "U" },
  _pg_lsn: { oid: 3221, array: 0, element: 3220, category: "A" },
  tsm_handler: { oid: 3310, array: 0, element: 0, category: "P" },
  pg_ndistinct: { oid: 3361, array: 0, element: 0, category: "Z" },
  pg_dependencies: { oid: 3402, array: 0, element: 0, category: "Z" },
  anyenum: { oid: 3500, array: 0, element: 0, category: "P" },
  tsvector: { oid: 3614, array: 3643, element: 0, category: "U" },
  tsquery: { oid: 3615, array: 3645, element: 0, category: "U" },
  gtsvector: { oid: 3642, array: 3644, element: 0, category: "U" },
  _tsvector: { oid: 3643, array: 0, element: 3614, category: "A" },
  _gtsvector: { oid: 3644, array: 0, element: 3642, category: "A" },
  _tsquery: { oid: 3645, array: 0, element: 3615, category: "A" },
  regconfig: { oid: 3734, array: 3735, element: 0, category: "N" },
  _regconfig: { oid: 3735, array: 0, element: 3734, category: "A" },
  regdictionary: { oid: 3769, array: 3770, element: 0, category: "N" },
  _regdictionary: { oid: 3770, array: 0, element: 3769, category: "A" },
  jsonb: { oid: 3802, array: 3807, element: 0, category: "U" },
  _jsonb: { oid: 3807, array: 0, element: 3802, category: "A" },
  anyrange: { oid: 3831, array: 0, element: 0, category: "P" },
  event_trigger: { oid: 3838, array: 0, element: 0, category: "P" },
  int4range: { oid: 3904, array: 3905, element: 0, category: "R" },
  _int4range: { oid: 3905, array: 0, element: 3904, category: "A" },
  numrange: { oid: 3906, array: 3907, element: 0, category: "R" },
  _numrange: { oid: 3907, array: 0, element: 3906, category: "A" },
  tsrange: { oid: 3908, array: 3909, element: 0, category: "R" },
  _tsrange: { oid: 3909, array: 0, element: 3908, category: "A" },
  tstzrange: { oid: 3910, array: 3911, element: 0, category: "R" },
  _tstzrange: { oid: 3911, array: 0, element: 3910, category: "A" },
  daterange: { oid: 3912, array: 3913, element: 0, category: "R" },
  _daterange: { oid: 3913, array: 0, element: 3912, category: "A" },
  int8range: { oid: 3926, array: 3927, element: 0, category: "R" },
  _int8range: { oid: 3927, array: 0, element: 3926, category: "A" },
  jsonpath: { oid: 4072, array: 4073, element: 0, category: "U" },
  _jsonpath: { oid: 4073, array: 0, element: 4072, category: "A" },
  regnamespace: { oid: 4089, array: 4090, element: 0, category: "N" },
  _regnamespace: { oid: 4090, array: 0, element: 4089, category: "A" },
  regrole: { oid: 4096, array: 4097, element: 0, category: "N" },
  _regrole: { oid: 4097, array: 0, element: 4096, category: "A" },
  regcollation: { oid: 4191, array: 4192, element: 0, category: "N" },
  _regcollation: { oid: 4192, array: 0, element: 4191, category: "A" },
  int4multirange: { oid: 4451, array: 6150, element: 0, category: "R" },
  nummultirange: { oid: 4532, array: 6151, element: 0, category: "R" },
  tsmultirange: { oid: 4533, array: 6152, element: 0, category: "R" },
  tstzmultirange: { oid: 4534, array: 6153, element: 0, category: "R" },
  datemultirange: { oid: 4535, array: 6155, element: 0, category: "R" },
  int8multirange: { oid: 4536, array: 6157, element: 0, category: "R" },
  anymultirange: { oid: 4537, array: 0, element: 0, category: "P" },
  anycompatiblemultirange: { oid: 4538, array: 0, element: 0, category: "P" },
  pg_brin_bloom_summary: { oid: 4600, array: 0, element: 0, category: "Z" },
  pg_brin_minmax_multi_summary: { oid: 4601, array: 0, element: 0, category: "Z" },
  tabgeography: { oid: 5003, array: 5004, element: 0, category: "U" },
  _tabgeography: { oid: 5004, array: 0, element: 5003, category: "A" },
  pg_mcv_list: { oid: 5017, array: 0, element: 0, category: "Z" },
  pg_snapshot: { oid: 5038, array: 5039, element: 0, category: "U" },
  _pg_snapshot: { oid: 5039, array: 0, element: 5038, category: "A" },
  xid8: { oid: 5069, array: 271, element: 0, category: "U" },
  anycompatible: { oid: 5077, array: 0, element: 0, category: "P" },
  anycompatiblearray: { oid: 5078, array: 0, element: 0, category: "P" },
  anycompatiblenonarray: { oid: 5079, array: 0, element: 0, category: "P" },
  anycompatiblerange: { oid: 5080, array: 0, element: 0, category: "P" },
  _int4multirange: { oid: 6150, array: 0, element: 4451, category: "A" },
  _nummultirange: { oid: 6151, array: 0, element: 4532, category: "A" },
  _tsmultirange: { oid: 6152, array: 0, element: 4533, category: "A" },
  _tstzmultirange: { oid: 6153, array: 0, element: 4534, category: "A" },
  _datemultirange: { oid: 6155, array: 0, element: 4535, category: "A" },
  _int8multirange: { oid: 6157, array: 0, element: 4536, category: "A" }
} as const satisfies Record<string, Type>

/**
 * The name of a type.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof types

/**
 * The OID of a type that is in the list.
 *
 * @category models
 * @since 0.1.0
 */
export type Oid = (typeof types)[Name]["oid"]

let names: ReadonlyMap<number, Name> | undefined

/**
 * The name of the type with this OID, or `undefined` when it is not in the list.
 *
 * **Example** (From the OID of a column to its type)
 *
 * ```ts
 * import { Oid } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Oid.types.int4.oid, 23)
 * assert.equal(Oid.name(1007), "_int4")
 * assert.equal(Oid.name(Oid.types._int4.element), "int4")
 * assert.equal(Oid.name(100_000), undefined)
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const name = (oid: number): Name | undefined => {
  names ??= new Map(Object.entries(types).map(([name, type]) => [type.oid, name as Name]))
  return names.get(oid)
}

/**
 * Whether a type with this OID is in the list.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOid = (oid: number): oid is Oid => name(oid) !== undefined
