/** Values of each type as SQL writes them, for the tests against real servers. */
import { BuiltIn, type Type } from "@hyperfect/values"

export interface Literals {
  readonly type: Type.Any
  /** The type's name in SQL, with a modifier if need be. */
  readonly sql: string
  readonly literals: ReadonlyArray<string>
}

const of = (type: Type.Any, literals: ReadonlyArray<string>, sql: string = type.name): Literals => ({
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

/** What both servers have. */
export const common: ReadonlyArray<Literals> = [
  of(BuiltIn.bool, ["true", "false"]),
  of(BuiltIn.int2, ["0", "1", "-1", "32767", "-32768"]),
  of(BuiltIn.int4, ["0", "1", "-1", "2147483647", "-2147483648"]),
  of(BuiltIn.int8, ["0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"]),
  of(BuiltIn.oid, ["0", "42", "4294967295"]),
  of(BuiltIn.float4, [
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
  of(BuiltIn.float8, [
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
  of(BuiltIn.numeric, ["0", "0.01", "12.34", "-12.34", "100", "10000.5", "99999999.99", "-0.01"], "numeric(10,2)"),
  of(BuiltIn.numeric, ["0.000000000000000001", "1234567.891", "-0.5"], "numeric(38,18)"),
  of(BuiltIn.text, texts),
  of(BuiltIn.varchar, ["", "abc", "häß€\u{1f600}"], "varchar(10)"),
  of(BuiltIn.bpchar, ["", "ab", "€€€€€"], "char(5)"),
  of(BuiltIn.bytea, ["\\x", "\\x00", "\\xdeadbeef", "\\x5c00ff225c"]),
  of(BuiltIn.date, dates),
  of(BuiltIn.time, times),
  of(BuiltIn.timestamp, timestamps),
  of(BuiltIn.timestamptz, instants),
  of(BuiltIn.interval, ["P0D", "P1D", "PT36H", "P-1M", "P1Y2M3DT4H5M6.789S", "P-1DT2H", "PT-0.5S", "P178000000Y"]),
  of(BuiltIn.uuid, uuids),
  of(BuiltIn.json, ["{\"a\":[1,null]}", "\"x\"", "12.5", "[]", "true", "{\"__proto__\":1}"])
]

/** What only PostgreSQL has. */
export const postgres: ReadonlyArray<Literals> = [
  of(BuiltIn.numeric, [
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
  of(BuiltIn.char, ["", "a", "\\200", "\\377"], "\"char\""),
  of(BuiltIn.name, ["", "abc", "Ünïcode"]),
  of(BuiltIn.xml, ["<a b=\"c\">d</a>"]),
  of(BuiltIn.date, ["infinity", "-infinity", "4714-11-24 BC", "0001-12-31 BC", "5874897-12-31"]),
  of(BuiltIn.timestamp, ["infinity", "-infinity", "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00.000001 BC"]),
  of(BuiltIn.timestamptz, ["infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "0044-03-15 12:00:00+00 BC"]),
  of(BuiltIn.interval, [
    "infinity",
    "-infinity",
    "2147483647 months -2147483648 days",
    "-2562047788:00:54.775807",
    "1 year -2 mons 3 days -04:05:06.789"
  ]),
  of(BuiltIn.jsonb, ["{\"a\": [1, null]}", "[]", "{}", "\"x\"", "12.5", "{\"__proto__\": 1}"])
]

/** What Hyper has in a way of its own. */
export const hyper: ReadonlyArray<Literals> = [
  of(BuiltIn.char, ["a", " ", "é", "€", "\u{1f600}"], "char(1)"),
  of(BuiltIn.date, ["0038-01-01", "294276-12-31"]),
  of(BuiltIn.numeric, ["0", "-99999999999999999999999999999999999999", "18446744073709551616"], "numeric(38,0)"),
  of(BuiltIn.numeric, ["0.99999999999999999999999999999999999999"], "numeric(38,38)")
]
