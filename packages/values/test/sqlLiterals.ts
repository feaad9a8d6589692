/** SQL literals for values of each type, for the tests against real servers. */
import { BuiltIn, type Type } from "@hyperfect/values"

export interface TypeLiterals {
  readonly type: Type.Any
  /** The type's name in SQL, with a modifier if necessary. */
  readonly sql: string
  readonly literals: ReadonlyArray<string>
}

const literalsOf = (type: Type.Any, literals: ReadonlyArray<string>, sql: string = type.name): TypeLiterals => ({
  type,
  sql,
  literals
})

const dates = ["2000-01-01", "1970-01-01", "2024-02-29", "1582-10-15", "0001-01-01", "9999-12-31", "10000-01-01"]

const times = ["00:00:00", "00:00:00.000001", "12:34:56.789", "23:59:59.999999", "24:00:00"]

const timestamps = [
  "2000-01-01 00:00:00",
  "1969-12-31 23:59:59.5",
  "2024-02-29 12:34:56.789012",
  "0001-01-01 00:00:00",
  "9999-12-31 23:59:59.999999",
  "294276-12-31 23:59:59.999999"
]

const instants = [
  ...timestamps.map((text) => `${text}+00`),
  "2024-03-10 02:30:00-05",
  "2024-11-03 01:30:00-04",
  "1883-11-18 12:00:00+00:00:30",
  "2024-06-15 12:00:00+05:30"
]

const uuids = ["00112233-4455-6677-8899-aabbccddeeff", "00000000-0000-0000-0000-000000000000"]

const texts = [
  "",
  "a",
  "hello",
  "häß€\u{1f600}",
  " blanks ",
  "NULL",
  "null",
  "{}",
  "a,b",
  "\"q\" \\ back\ttab\nline",
  "x".repeat(70_000)
]

/** The types of both servers. */
export const common: ReadonlyArray<TypeLiterals> = [
  literalsOf(BuiltIn.bool, ["true", "false"]),
  literalsOf(BuiltIn.int2, ["0", "1", "-1", "32767", "-32768"]),
  literalsOf(BuiltIn.int4, ["0", "1", "-1", "2147483647", "-2147483648"]),
  literalsOf(BuiltIn.int8, ["0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"]),
  literalsOf(BuiltIn.oid, ["0", "42", "4294967295"]),
  literalsOf(BuiltIn.float4, [
    "0",
    "-0",
    "1.5",
    "0.1",
    "16777217",
    "3.4028235e38",
    "1.17549435e-38",
    "NaN",
    "Infinity",
    "-Infinity"
  ]),
  literalsOf(BuiltIn.float8, [
    "0",
    "-0",
    "1.5",
    "0.1",
    "123456789.123456789",
    "5e-324",
    "1e300",
    "NaN",
    "Infinity",
    "-Infinity"
  ]),
  literalsOf(
    BuiltIn.numeric,
    ["0", "0.01", "12.34", "-12.34", "100", "10000.5", "99999999.99", "-0.01"],
    "numeric(10,2)"
  ),
  literalsOf(BuiltIn.numeric, ["0.000000000000000001", "1234567.891", "-0.5"], "numeric(38,18)"),
  literalsOf(BuiltIn.text, texts),
  literalsOf(BuiltIn.varchar, ["", "abc", "häß€\u{1f600}"], "varchar(10)"),
  literalsOf(BuiltIn.bpchar, ["", "ab", "€€€€€"], "char(5)"),
  literalsOf(BuiltIn.bytea, ["\\x", "\\x00", "\\xdeadbeef", "\\x5c00ff225c"]),
  literalsOf(BuiltIn.date, dates),
  literalsOf(BuiltIn.time, times),
  literalsOf(BuiltIn.timestamp, timestamps),
  literalsOf(BuiltIn.timestamptz, instants),
  literalsOf(BuiltIn.interval, [
    "P0D",
    "P1D",
    "PT36H",
    "P-1M",
    "P1Y2M3DT4H5M6.789S",
    "P-1DT2H",
    "PT-0.5S",
    "P178000000Y"
  ]),
  literalsOf(BuiltIn.uuid, uuids),
  literalsOf(BuiltIn.json, ["{\"a\":[1,null]}", "\"x\"", "12.5", "[]", "true", "{\"__proto__\":1}", "null"])
]

/** Types and values of PostgreSQL only. */
export const postgres: ReadonlyArray<TypeLiterals> = [
  literalsOf(BuiltIn.numeric, [
    "0",
    "0.00",
    "NaN",
    "Infinity",
    "-Infinity",
    "10000",
    "100000000",
    "0.0001",
    "0.00010",
    "1e-16383",
    "1e131071",
    "7".repeat(131_072),
    "-1234567890123456789012345678901234567890.00012345678901234567890"
  ]),
  literalsOf(BuiltIn.char, ["", "a", "\\200", "\\377"], "\"char\""),
  literalsOf(BuiltIn.name, ["", "abc", "Ünïcode"]),
  literalsOf(BuiltIn.xml, ["<a b=\"c\">d</a>"]),
  literalsOf(BuiltIn.date, ["infinity", "-infinity", "4714-11-24 BC", "0001-12-31 BC", "5874897-12-31"]),
  literalsOf(BuiltIn.timestamp, ["infinity", "-infinity", "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00.000001 BC"]),
  literalsOf(BuiltIn.timestamptz, ["infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "0044-03-15 12:00:00+00 BC"]),
  literalsOf(BuiltIn.interval, [
    "infinity",
    "-infinity",
    "2147483647 months -2147483648 days",
    "-2562047788:00:54.775807",
    "1 year -2 mons 3 days -04:05:06.789"
  ]),
  literalsOf(BuiltIn.jsonb, ["{\"a\": [1, null]}", "[]", "{}", "\"x\"", "12.5", "{\"__proto__\": 1}", "null"]),
  literalsOf(BuiltIn.timetz, ["00:00:00+00", "12:34:56.789+02", "24:00:00-15:59:59", "23:59:59.999999+05:30"]),
  literalsOf(BuiltIn.bit, ["10110", "00000"], "bit(5)"),
  literalsOf(BuiltIn.varbit, ["", "1", "10110111", "101101110"]),
  literalsOf(BuiltIn.inet, [
    "192.168.0.1",
    "192.168.0.1/24",
    "0.0.0.0/0",
    "::",
    "::1",
    "::2",
    "1::",
    "::1.2.3.4",
    "::ffff:1.2.3.4",
    "::ffff:0:1",
    "2001:db8::1/64",
    "2001:0:0:1:0:0:0:1",
    "2001:db8:0:1:1:1:1:1",
    "fe80::a:0:0:b",
    "1:2:3:4:5:6:7:8"
  ]),
  literalsOf(BuiltIn.cidr, [
    "10.0.0.0/8",
    "192.168.1.0/24",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "::ffff:1.2.3.0/120"
  ]),
  literalsOf(BuiltIn.macaddr, ["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"]),
  literalsOf(BuiltIn.macaddr8, ["08:00:2b:01:02:03:04:05"]),
  literalsOf(BuiltIn.point, ["(0,0)", "(1.5,-2.25)", "(1e300,5e-324)", "(NaN,Infinity)", "(-0,-Infinity)"]),
  literalsOf(BuiltIn.line, ["{1,2,3}", "{-0.5,1e-10,0}"]),
  literalsOf(BuiltIn.lseg, ["[(1,2),(3,4)]"]),
  literalsOf(BuiltIn.box, ["(3,4),(1,2)", "(1,1),(0,0)"]),
  literalsOf(BuiltIn.path, ["((1,2),(3,4),(5,6))", "[(1,2),(3,4)]"]),
  literalsOf(BuiltIn.polygon, ["((1,2),(3,4),(5,6))"]),
  literalsOf(BuiltIn.circle, ["<(1,2),3.5>"]),
  literalsOf(BuiltIn.int4range, ["empty", "[1,5)", "(,5)", "[1,)", "(,)", "[-2147483648,2147483647)"]),
  literalsOf(BuiltIn.int8range, ["[9007199254740993,9007199254740995)"]),
  literalsOf(BuiltIn.numrange, ["[1.50,2]", "(0.1,0.2)", "[1,1]", "(,NaN]"]),
  literalsOf(BuiltIn.tsrange, ["[2024-01-01 00:00:00,2024-02-01 12:30:00.5)", "[-infinity,infinity]"]),
  literalsOf(BuiltIn.tstzrange, ["[2024-01-01 00:00:00+00,)", "(0044-03-15 00:00:00+00 BC,2024-01-01 00:00:00+00]"]),
  literalsOf(BuiltIn.daterange, ["[2024-01-01,2024-02-01)", "(,infinity)", "empty"]),
  literalsOf(BuiltIn.int4multirange, ["{}", "{[1,3),[5,7)}", "{(,1),[5,)}"]),
  literalsOf(BuiltIn.int8multirange, ["{[1,3)}"]),
  literalsOf(BuiltIn.nummultirange, ["{[1.5,2.5],(3,4)}"]),
  literalsOf(BuiltIn.tsmultirange, ["{[2024-01-01 00:00:00,2024-02-01 00:00:00)}"]),
  literalsOf(BuiltIn.tstzmultirange, ["{[2024-01-01 00:00:00+00,2024-02-01 00:00:00+00)}"]),
  literalsOf(BuiltIn.datemultirange, ["{[2024-01-01,2024-02-01),[2025-01-01,)}"]),
  literalsOf(BuiltIn.xid, ["0", "3", "4294967295"]),
  literalsOf(BuiltIn.cid, ["0", "4294967295"]),
  literalsOf(BuiltIn.xid8, ["0", "18446744073709551615"]),
  literalsOf(BuiltIn.tid, ["(0,1)", "(4294967295,65535)"]),
  literalsOf(BuiltIn.pgLsn, ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"]),
  literalsOf(BuiltIn.pgSnapshot, ["10:20:", "10:20:10,14,15"]),
  literalsOf(BuiltIn.txidSnapshot, ["10:20:10,14,15"]),
  literalsOf(BuiltIn.int2vector, ["1", "1 -2 3"]),
  literalsOf(BuiltIn.oidvector, ["1 4294967295"]),
  literalsOf(BuiltIn.tsvector, ["'a':1A,2 'b' 'c d''e\\\\'"]),
  literalsOf(BuiltIn.tsquery, ["'a' & ( 'b':*A | !'c' )"]),
  literalsOf(BuiltIn.jsonpath, ["$.\"a\"[*]?(@ > 1)"]),
  literalsOf(BuiltIn.aclitem, ["postgres=r*w/postgres"])
]

/** Types and values of Hyper only. */
export const hyper: ReadonlyArray<TypeLiterals> = [
  literalsOf(BuiltIn.char, ["a", " ", "é", "€", "\u{1f600}"], "char(1)"),
  literalsOf(BuiltIn.date, ["0038-01-01", "294276-12-31"]),
  literalsOf(
    BuiltIn.numeric,
    ["0", "-99999999999999999999999999999999999999", "18446744073709551616"],
    "numeric(38,0)"
  ),
  literalsOf(BuiltIn.numeric, ["0.99999999999999999999999999999999999999"], "numeric(38,38)")
]
