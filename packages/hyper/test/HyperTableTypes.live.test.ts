import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Query from "@hyperfect/client/Query"
import { sql } from "@hyperfect/client/Statement"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { CalendarDate, Interval, TimeOfDay, Timestamp, TimestampTz } from "@hyperfect/values"
import { Arbitrary, BigDecimal, Effect, Equal, Formatter, Predicate, Schema } from "effect"
import { columns } from "./fixtures/everyType.ts"
import { type Kind, kinds, servers } from "./servers.ts"

const { geography: _geography, ...types } = columns

type Name = keyof typeof types
const names = Object.keys(types) as ReadonlyArray<Name>

const nullable = Object.fromEntries(
  names.map((name) => [`${name}_or_null`, HyperTable.NullOr(types[name] as Schema.Codec<unknown>)])
) as { readonly [N in Name as `${N}_or_null`]: Schema.NullOr<(typeof types)[N]> }

const Everything = HyperTable.make("everything", { row: HyperTable.Int, ...types, ...nullable })

type Row = typeof Everything.Row.Type
type Values = { readonly [N in Name]: (typeof types)[N]["Type"] }

const withNulls = (row: number, values: Values, isNull: boolean): Row =>
  ({
    row,
    ...values,
    ...Object.fromEntries(names.map((name) => [`${name}_or_null`, isNull ? null : values[name]]))
  }) as unknown as Row

const least: Values = {
  bool: false,
  smallint: -0x8000,
  int: -0x80000000,
  bigint: BigInt("-9223372036854775808"),
  real: -3.4028234663852886e38,
  double: -Infinity,
  numeric: BigDecimal.fromStringUnsafe("-99999999999999.9999"),
  wide: BigDecimal.fromStringUnsafe("-9999999999999999999999999999.9999999999"),
  text: "",
  varchar: "",
  char: "",
  letter: "a",
  bytes: new Uint8Array(0),
  date: CalendarDate.fromStringUnsafe("4713-01-01 BC"),
  time: TimeOfDay.fromStringUnsafe("00:00:00"),
  timestamp: Timestamp.fromStringUnsafe("4713-01-01 00:00:00 BC"),
  timestamptz: TimestampTz.fromStringUnsafe("4713-01-01 00:00:00+00 BC"),
  interval: Interval.fromPartsUnsafe(-0x7fffffff, -0x80000000, BigInt(-5)),
  uuid: "00000000-0000-0000-0000-000000000000",
  json: false,
  oid: 0
}

const greatest: Values = {
  bool: true,
  smallint: 0x7fff,
  int: 0x7fffffff,
  bigint: BigInt("9223372036854775807"),
  real: 1.401298464324817e-45,
  double: Number.MAX_VALUE,
  numeric: BigDecimal.fromStringUnsafe("99999999999999.9999"),
  wide: BigDecimal.fromStringUnsafe("9999999999999999999999999999.9999999999"),
  text: "\u{1f600} é \u0001\uffff".repeat(1000),
  varchar: "\u{1f600}".repeat(5),
  char: "\u{1f600}".repeat(4),
  letter: "\u{10ffff}",
  bytes: Uint8Array.from({ length: 256 }, (_, i) => i),
  date: CalendarDate.fromStringUnsafe("294276-12-31"),
  time: TimeOfDay.fromStringUnsafe("24:00:00"),
  timestamp: Timestamp.fromStringUnsafe("294276-12-31 23:59:59.999999"),
  timestamptz: TimestampTz.fromStringUnsafe("294276-12-31 23:59:59.999999+00"),
  interval: Interval.fromPartsUnsafe(0x7fffffff, -1, BigInt("9000000000000000000")),
  uuid: "ffffffff-ffff-ffff-ffff-ffffffffffff",
  json: { a: [1, null, "\u{1f600}\\ud83d", { b: -1.5e300 }], "": true },
  oid: 0xffffffff
}

const odd: Values = {
  ...least,
  real: -0,
  double: -0,
  numeric: BigDecimal.fromStringUnsafe("0.0001"),
  wide: BigDecimal.fromStringUnsafe("-0.0000000001"),
  text: "'\"\\\n\t\r,;",
  varchar: " \t ",
  date: CalendarDate.fromStringUnsafe("1970-01-01"),
  timestamp: Timestamp.fromStringUnsafe("1969-12-31 23:59:59.999999"),
  timestamptz: TimestampTz.fromStringUnsafe("1969-12-31 23:59:59.999999+00"),
  interval: Interval.fromPartsUnsafe(0, 0, BigInt(512_994)),
  json: "text"
}

/** Returns the value as stored: `char(n)` is padded with blanks, and JSON has no -0. */
const stored = (name: string, value: unknown): unknown => {
  if (name.startsWith("json")) return JSON.parse(JSON.stringify(value))
  const width = name.startsWith("char") ? 4 : name.startsWith("letter") ? 1 : 0
  return typeof value === "string" && width > 0
    ? value + " ".repeat(Math.max(0, width - Array.from(value).length))
    : value
}

const isSame = (wanted: unknown, found: unknown): boolean =>
  BigDecimal.isBigDecimal(wanted)
    ? BigDecimal.isBigDecimal(found) && BigDecimal.equals(wanted, found)
    : typeof wanted === "number"
    ? Object.is(wanted, found)
    : Equal.equals(wanted, found)

const differences = (wanted: ReadonlyArray<Row>, found: ReadonlyArray<Row>): ReadonlyArray<string> =>
  wanted.length !== found.length ?
    [`${found.length} rows`] :
    wanted.flatMap((row, i) =>
      Object.entries(row).flatMap(([name, value]) => {
        const [before, after] = [stored(name, value), found[i]![name as keyof Row]]
        return isSame(before, after) ? [] : [`${name}: ${Formatter.format(before)} became ${Formatter.format(after)}`]
      })
    )

/** The table with a column that makes Hyper's COPY one of text. */
const Placed = HyperTable.make("placed", {
  ...Everything.fields,
  place: HyperTable.NullOr(HyperTable.GeographyText)
})

/** Hyper parses no year before 1, and no U+0000. */
const withText = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        (hasDay(value) && value.day < firstTextDay) || (typeof value === "string" && value.includes("\0"))
          ? greatest[name.replace("_or_null", "") as Name]
          : value
      ])
    ) as unknown as Row
  )

const firstTextDay = CalendarDate.fromStringUnsafe("0001-01-01").day

const hasDay = (u: unknown): u is { readonly day: number } => Predicate.hasProperty(u, "day")

/** Replaces the table's rows and reads them back. */
const roundTrip = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>, isText = false) {
  const client = yield* Client.Client
  const table = isText ? Placed : Everything
  yield* client.query(sql`delete from ${table}`)
  const inserted = isText
    ? yield* Placed.insert(rows.map((row) => ({ ...row, place: "POINT (1 2)" })))
    : yield* Everything.insert(rows)
  assert.strictEqual(inserted.rows, rows.length)
  return yield* client.query(sql`select * from ${table} order by row`).pipe(Query.rows(Everything.Row))
})

const firstDay = CalendarDate.fromStringUnsafe("4713-01-01 BC").day
const lastDay = CalendarDate.fromStringUnsafe("294276-12-31").day

/**
 * True if the server can store the value. Infinite days and the earliest and latest ones exist only on PostgreSQL,
 * U+0000 in a text only on Hyper. Unpaired surrogates exist on neither, although a JSON value may contain them.
 */
const exists = (kind: Kind, value: unknown): boolean => {
  if (isJson(value) && (JSON.stringify(value) ?? "").includes("\\ud")) return false
  if (kind === "postgres") return typeof value !== "string" || !value.includes("\0")
  if (Interval.isInterval(value)) return Interval.isFinite(value)
  return !(CalendarDate.isCalendarDate(value) || Timestamp.isTimestamp(value) || TimestampTz.isTimestampTz(value)) ||
    (value.day >= firstDay && value.day <= lastDay)
}

const isJson = Schema.is(Schema.Json)

const arbitraryRows = (kind: Kind) =>
  Arbitrary.map(
    Arbitrary.array(Arbitrary.schema(Everything.Row), { minLength: 1, maxLength: 20 }),
    (rows): ReadonlyArray<Row> =>
      rows.map((row, i) => {
        const entries = Object.entries(row).map(([name, value]) => [
          name,
          exists(kind, value) ? value : least[name.replace("_or_null", "") as Name]
        ])
        return { ...Object.fromEntries(entries), row: i }
      })
  )

for (const kind of kinds) {
  describe(`HyperTable on ${kind}`, () => {
    layer<Client.Client, unknown>(servers[kind], { excludeTestServices: true })((it) => {
      it.effect("preserves the extremes of every type, and NULL", () =>
        Effect.gen(function*() {
          yield* Everything.create
          const rows = [
            withNulls(1, least, false),
            withNulls(2, greatest, false),
            withNulls(3, odd, false),
            withNulls(4, least, true)
          ]
          assert.deepStrictEqual(differences(rows, yield* roundTrip(rows)), [])
        }))

      it.effect("preserves random rows", () =>
        Effect.gen(function*() {
          yield* Everything.createIfNotExists
          const result = yield* Arbitrary.checkEffect(
            arbitraryRows(kind),
            (rows) => Effect.map(roundTrip(rows), (found) => differences(rows, found).length === 0),
            { runs: 40, size: 40, maxDiscards: 10_000 }
          )
          assert.strictEqual(result._tag, "Passed", Arbitrary.formatCheckFailure(result))
        }))

      if (kind === "hyper") {
        it.effect("preserves extremes and random rows in text format, which a geography requires", () =>
          Effect.gen(function*() {
            yield* Placed.create
            const rows = withText([
              withNulls(1, least, false),
              withNulls(2, greatest, false),
              withNulls(3, odd, false),
              withNulls(4, least, true)
            ])
            assert.deepStrictEqual(differences(rows, yield* roundTrip(rows, true)), [])
            const fractions = Array.from({ length: 1000 }, (_, i) => ({
              ...rows[0]!,
              row: i,
              interval: Interval.fromPartsUnsafe(0, 0, BigInt(i % 2 === 0 ? i * 997 : -i * 3_600_000_997))
            }))
            assert.deepStrictEqual(differences(fractions, yield* roundTrip(fractions, true)), [])
            const result = yield* Arbitrary.checkEffect(
              Arbitrary.map(arbitraryRows(kind), withText),
              (rows) => Effect.map(roundTrip(rows, true), (found) => differences(rows, found).length === 0),
              { runs: 40, size: 40, maxDiscards: 10_000 }
            )
            assert.strictEqual(result._tag, "Passed", Arbitrary.formatCheckFailure(result))
          }))
      }
    })
  })
}
