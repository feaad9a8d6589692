import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, Interval, type Range, TimestampTz, Type, TypeRegistry, ValueError } from "@hyperfect/values"
import { DateTime, Effect, Equal, Schema } from "effect"
import { fromHex, read, reasonOf, toHex, utf8, write } from "./fixtures.ts"

const formats = [0, 1, 2] as const

const big = (digits: string): bigint => BigInt(digits)

const isJson = (type: Type.Any): boolean => /^jsonb?(\[\])?$/.test(type.name)

/**
 * True if a type can be written in a format. Excluded are types that only servers create, and text that only a server
 * can print.
 */
const isWritten = (type: Type.Any, format: Type.Format): boolean =>
  Type.codec(type, format) !== undefined && !/^(record|void)/.test(type.name) &&
  !(type.name.startsWith("money") && format === 0)

/**
 * True if the values in text and in binary are equal, which they are not for objects of the catalogue and geography.
 */
const isOneValue = (type: Type.Any): boolean => !/^(reg|geography)/.test(type.name)

/** JSON without the characters that the two types reject, and without -0, which JSON writes as 0. */
const json = Schema.Json.check(
  Schema.makeFilter((value) => !/\\u(0000|d[89a-f])/.test(JSON.stringify(value)) && !hasNegativeZero(value))
)

const hasNegativeZero = (value: unknown): boolean =>
  Object.is(value, -0) || (typeof value === "object" && value !== null && Object.values(value).some(hasNegativeZero))

/** A type modifier, which numerics need in HyperBinary. */
const modifierOf = (type: Type.Any): number => (type.name.startsWith("numeric") ? ((38 << 16) | 10) + 4 : -1)

/**
 * True if a format cannot represent some values: in HyperBinary infinities, days out of Hyper's range, and nested
 * arrays; in PostgreSQL's binary format empty vectors.
 */
const mayBeRefused = (type: Type.Any, format: Type.Format): boolean =>
  format === 2
    ? /\[\]$|^(date|timestamp|timestamptz|interval|numeric)$/.test(type.name)
    : format === 1 && type.name.includes("vector")

const scalars = TypeRegistry.builtIn.types.filter((type) => !type.name.endsWith("[]"))

describe("built-in types", () => {
  for (const type of TypeRegistry.builtIn.types) {
    if (isJson(type) || !isOneValue(type) || !isWritten(type, 1)) continue
    it.effect.prop(
      `round-trip: ${type.name}`,
      { value: type.schema as Schema.Codec<unknown, unknown> },
      ({ value }) =>
        Effect.sync(() => {
          for (const format of formats) {
            if (!isWritten(type, format)) continue
            let bytes: Uint8Array
            try {
              bytes = write(type, format, value, modifierOf(type))
            } catch (thrown) {
              if (!ValueError.isReason(thrown) || !mayBeRefused(type, format)) assert.fail(String(thrown))
              continue
            }
            assert.isTrue(Equal.equals(read(type, format, bytes, modifierOf(type)), value))
          }
        }),
      { arbitrary: { runs: type.name.endsWith("[]") ? 40 : 100 } }
    )
  }

  for (const type of [BuiltIn.json, BuiltIn.jsonb]) {
    it.effect.prop(`round-trip: ${type.name}`, { value: json }, ({ value }) =>
      Effect.sync(() => {
        for (const format of formats) {
          if (Type.codec(type, format) === undefined) continue
          assert.deepStrictEqual(JSON.stringify(read(type, format, write(type, format, value))), JSON.stringify(value))
        }
      }))
  }

  it.effect.prop(
    "return a value or throw a reason for any bytes",
    { bytes: Schema.Uint8Array.check(Schema.isMaxLength(40)) },
    ({ bytes }) =>
      Effect.sync(() => {
        for (const type of TypeRegistry.builtIn.types) {
          for (const format of formats) {
            if (Type.codec(type, format) === undefined) continue
            try {
              read(type, format, bytes, modifierOf(type))
            } catch (thrown) {
              if (!ValueError.isReason(thrown)) assert.fail(`${type.name}: ${String(thrown)}`)
            }
          }
        }
      })
  )

  it("reject JavaScript values of another kind, and name them", () => {
    const values = [undefined, Symbol("s"), () => 1, new Map(), /x/, Promise.resolve()]
    for (const type of TypeRegistry.builtIn.types) {
      for (const format of formats) {
        if (!isWritten(type, format)) continue
        for (const value of values) {
          // Any object is JSON, as for JSON.stringify.
          if (isJson(type) && typeof value === "object") continue
          const reason = reasonOf(() => write(type, format, value, modifierOf(type)))
          assert.deepInclude(reason, { _tag: "TypeMismatch", format })
        }
      }
    }
  })

  it("do not include the value in a reason", () => {
    const secret = "s3cr3t"
    for (const type of scalars) {
      for (const format of formats) {
        if (Type.codec(type, format) === undefined) continue
        for (
          const run of [
            () => write(type, format, secret),
            () => write(type, format, { secret, toString: () => secret }),
            () => read(type, format, utf8(secret))
          ]
        ) {
          try {
            run()
          } catch (thrown) {
            assert.isTrue(ValueError.isReason(thrown))
            assert.notInclude(JSON.stringify(thrown), secret)
          }
        }
      }
    }
  })

  it("are registered in the reading that has their name", () => {
    for (const [name, type] of Object.entries(BuiltIn) as ReadonlyArray<[string, Type.Any]>) {
      if (!("arrayOid" in type)) continue
      const isNamed = name.toLowerCase().replace(/_$/, "") === type.name.replaceAll("_", "")
      assert.strictEqual(TypeRegistry.builtIn.types.includes(type), isNamed, name)
    }
  })

  it("have categories by which values are sent", () => {
    const names = (...categories: ReadonlyArray<Type.Category>) =>
      [...TypeRegistry.oidsOf(...categories)].map((oid) => TypeRegistry.builtIn.find(oid)!.name).sort()
    assert.deepStrictEqual(names("number"), ["int2", "int4", "int8", "numeric", "oid"])
    assert.deepStrictEqual(names("float", "boolean"), ["bool", "float4", "float8"])
    assert.deepStrictEqual(names("text"), ["bpchar", "name", "text", "unknown", "varchar"])
    assert.deepStrictEqual(names("json", "money"), ["json", "jsonb", "money"])
    assert.deepStrictEqual(names("time"), ["interval", "time", "timestamp", "timestamptz", "timetz"])
  })

  it("have unique names and OIDs", () => {
    const types = TypeRegistry.builtIn.types
    // Extension types have a name only.
    const withOid = types.filter(({ oid }) => oid !== 0)
    assert.strictEqual(new Set(withOid.map(({ oid }) => oid)).size, withOid.length)
    assert.strictEqual(new Set(types.map(({ name }) => name)).size, types.length)
    assert.isUndefined(TypeRegistry.builtIn.find(0))
    for (const type of types) {
      if (type.oid !== 0) assert.strictEqual(TypeRegistry.builtIn.find(type.oid), type)
      assert.strictEqual(TypeRegistry.builtIn.findByName(type.name), type)
    }
  })
})

describe("integers", () => {
  const cases = [
    [BuiltIn.int2, -0x8000, 0x7fff],
    [BuiltIn.int4, -0x80000000, 0x7fffffff],
    [BuiltIn.oid, 0, 0xffffffff]
  ] as const

  it("have exactly their range", () => {
    for (const [type, minimum, maximum] of cases) {
      for (const format of formats) {
        for (const value of [minimum, minimum + 1, 0, 1, maximum - 1, maximum]) {
          assert.strictEqual(read(type, format, write(type, format, value)), value)
        }
        for (const value of [minimum, 0, maximum].map(BigInt)) {
          assert.strictEqual(read(type, format, write(type, format, value)), Number(value))
        }
        const others = [minimum - 1, maximum + 1, 2 ** 32, 2 ** 53]
        for (const value of [...others, ...others.map(BigInt), 0.5, 1e300, -1e300, Infinity, -Infinity]) {
          assert.strictEqual(reasonOf(() => write(type, format, value))._tag, "OutOfRange")
        }
        for (const value of [NaN, "1", true, null, [1]]) {
          assert.strictEqual(reasonOf(() => write(type, format, value))._tag, "TypeMismatch")
        }
      }
    }
  })

  it("are written as 0 for -0", () => {
    for (const type of [BuiltIn.int2, BuiltIn.int4, BuiltIn.oid, BuiltIn.int8]) {
      assert.strictEqual(new TextDecoder().decode(write(type, 0, -0)), "0")
    }
  })

  it("are read from digits only", () => {
    for (
      const text of ["", "-", "+1", " 1", "1 ", "1.0", "1e2", "0x1", "32768", "-32769", "99999999999999999999", "١"]
    ) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.int2, 0, utf8(text)))._tag, "Malformed")
    }
    for (const text of ["", "-", "9223372036854775808", "-9223372036854775809", "1n", " 1", "0x1", "1".repeat(30)]) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.int8, 0, utf8(text)))._tag, "Malformed")
    }
  })

  it("are bigints for 64 bits, and are written from safe integers as well", () => {
    for (const digits of ["0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993"]) {
      for (const format of formats) {
        assert.strictEqual(read(BuiltIn.int8, format, write(BuiltIn.int8, format, big(digits))), big(digits))
      }
    }
    for (const value of [0, -1, 4294967296, -4294967297, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      for (const format of formats) {
        assert.strictEqual(read(BuiltIn.int8, format, write(BuiltIn.int8, format, value)), BigInt(value))
      }
    }
    for (const value of [2 ** 53, 0.5, Infinity, big("9223372036854775808"), big("-9223372036854775809")]) {
      for (const format of formats) {
        assert.strictEqual(reasonOf(() => write(BuiltIn.int8, format, value))._tag, "OutOfRange")
      }
    }
  })
})

describe("floats", () => {
  it("keep every double", () => {
    for (
      const value of [
        0,
        -0,
        5e-324,
        Number.MAX_VALUE,
        -Number.MIN_VALUE,
        0.1,
        1e21,
        123456789.12345678,
        NaN,
        Infinity,
        -Infinity
      ]
    ) {
      for (const format of formats) {
        assert.isTrue(Object.is(read(BuiltIn.float8, format, write(BuiltIn.float8, format, value)), value))
      }
    }
  })

  it("are rounded to 32 bits for float4, which rejects overflow and underflow", () => {
    assert.strictEqual(read(BuiltIn.float4, 1, write(BuiltIn.float4, 1, 0.1)), Math.fround(0.1))
    assert.strictEqual(read(BuiltIn.float4, 0, utf8("0.1")), Math.fround(0.1))
    assert.strictEqual(read(BuiltIn.float4, 0, utf8("1.67772e+07")), 16777200)
    for (const value of [1e39, -1e39, 1e-50]) {
      for (const format of formats) {
        assert.strictEqual(reasonOf(() => write(BuiltIn.float4, format, value))._tag, "OutOfRange")
      }
    }
  })

  it("reject other texts that JavaScript would accept as a number", () => {
    for (
      const text of [
        "",
        " ",
        "1 ",
        "0x10",
        "0b1",
        "1_0",
        "inf",
        "infinity",
        "nan",
        "+Infinity",
        "1e",
        "e1",
        ".",
        "-",
        "1e400"
      ]
    ) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.float8, 0, utf8(text)))._tag, "Malformed")
    }
  })
})

describe("char(n) in Hyper's arrays", () => {
  it("is padded up to the maximum length, and rejected above it", () => {
    const { element } = BuiltIn.bpchar.hyper!
    const pad = (typeModifier: number) => element!.read(utf8("a"), 0, 1, typeModifier)
    assert.strictEqual(pad(4 + 3), "a  ")
    assert.lengthOf(pad(4 + 10_485_760), 10_485_760)
    for (const typeModifier of [4 + 10_485_761, 0x7fff_ffff]) {
      assert.strictEqual(reasonOf(() => pad(typeModifier))._tag, "Malformed")
    }
  })
})

describe("texts", () => {
  it("reject unpaired surrogates and, for PostgreSQL, U+0000", () => {
    for (const type of [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar, BuiltIn.name]) {
      for (const format of formats) {
        for (const value of ["\ud800", "a\udc00b", "\ud83d"]) {
          assert.strictEqual(reasonOf(() => write(type, format, value))._tag, "NotRepresentable")
        }
        if (format === 2) assert.strictEqual(toHex(write(type, format, "a\0b")), "610062")
        else assert.strictEqual(reasonOf(() => write(type, format, "a\0b"))._tag, "NotRepresentable")
      }
    }
  })

  it("keep byte order marks and U+FFFD", () => {
    for (const value of ["\ufeffa", "\ufffd", "\ufffd".repeat(30)]) {
      assert.strictEqual(read(BuiltIn.text, 1, write(BuiltIn.text, 1, value)), value)
    }
  })

  it("read PostgreSQL's bytes for OID 18", () => {
    for (const [hex, value] of [["61", "a"], ["00", ""], ["80", "\\200"], ["ff", "\\377"], ["c3a9", "é"]] as const) {
      assert.strictEqual(read(BuiltIn.char, 1, fromHex(hex)), value)
      assert.strictEqual(toHex(write(BuiltIn.char, 1, value)), hex)
    }
    for (const value of ["ab", "\u{1f600}a"]) {
      for (const format of formats) {
        assert.strictEqual(reasonOf(() => write(BuiltIn.char, format, value))._tag, "OutOfRange")
      }
    }
    assert.strictEqual(reasonOf(() => write(BuiltIn.char, 2, ""))._tag, "OutOfRange")
    assert.strictEqual(reasonOf(() => write(BuiltIn.char, 2, "\0"))._tag, "NotRepresentable")
  })
})

describe("ranges and rows as text", () => {
  const pair = BuiltIn.composite([{ name: "a", type: BuiltIn.text }, { name: "b", type: BuiltIn.text }], {
    name: "pair",
    oid: 90_001,
    arrayOid: 90_002
  })

  it("drops quotes and backslashes that are not escaped", () => {
    const rows: ReadonlyArray<readonly [text: string, a: string | null, b: string | null]> = [
      ["(,\"\")", null, ""],
      ["(\"\"\"\",a\"b,c\"d)", "\"", "ab,cd"],
      ["(\"a\"\"b\",\\,\\))", "a\"b", ",)"],
      ["(\\\"\\\\,\"\\\"\\\\\")", "\"\\", "\"\\"],
      ["( \"\" ,\"(\"\"\")", "  ", "(\""]
    ]
    for (const [text, a, b] of rows) assert.deepStrictEqual(read(pair, 0, utf8(text)), { a, b }, text)
    for (const text of ["(a,b", "(a,\"b)", "(a,b\\)", "(a,b)c)", "(a)", "(a,b,c)", "(a,b\"\"\")"]) {
      assert.strictEqual(reasonOf(() => read(pair, 0, utf8(text)))._tag, "Malformed", text)
    }
  })

  it("reads many parts in time linear in their length", () => {
    const count = 50_000
    const ranges = Array.from({ length: count }, (_, i) => `[${2 * i},${2 * i + 1})`).join(",")
    const multirange = read(BuiltIn.int4multirange, 0, utf8(`{${ranges}}`)) as Range.Multirange<number>
    assert.strictEqual(multirange.ranges.length, count)
    assert.strictEqual(multirange.ranges.at(-1)?.upper, 2 * count - 1)
    const record = BuiltIn.record(() => undefined)
    const parts = read(record, 0, utf8(`(${"\"a\",".repeat(count)})`)) as ReadonlyArray<unknown>
    assert.strictEqual(parts.length, count + 1)
  })
})

describe("bytea", () => {
  it("is read in both of PostgreSQL's text formats", () => {
    assert.deepStrictEqual(read(BuiltIn.bytea, 0, utf8("\\x00fFA0")), Uint8Array.of(0, 255, 0xa0))
    assert.deepStrictEqual(read(BuiltIn.bytea, 0, utf8("a\\\\b\\000\\377")), Uint8Array.of(0x61, 0x5c, 0x62, 0, 255))
    assert.deepStrictEqual(read(BuiltIn.bytea, 0, utf8("")), new Uint8Array(0))
    for (const text of ["\\x0", "\\x0g", "\\", "\\1", "\\12", "\\400", "\\08a"]) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.bytea, 0, utf8(text)))._tag, "Malformed")
    }
  })

  it("rejects other views of memory", () => {
    for (const value of [new ArrayBuffer(1), new DataView(new ArrayBuffer(1)), new Int8Array(1), [1], "\\x00"]) {
      assert.strictEqual(reasonOf(() => write(BuiltIn.bytea, 1, value))._tag, "TypeMismatch")
    }
    assert.strictEqual(toHex(write(BuiltIn.bytea, 1, Buffer.from("ab"))), "6162")
  })
})

describe("uuid", () => {
  it("is written from either case and read in lower case", () => {
    const value = "00112233-4455-6677-8899-AABBCCDDEEFF"
    for (const format of formats) {
      assert.strictEqual(read(BuiltIn.uuid, format, write(BuiltIn.uuid, format, value)), value.toLowerCase())
    }
    for (
      const wrong of ["", "00112233445566778899aabbccddeeff", `{${value}}`, value.slice(1), value.replace("0", "g")]
    ) {
      for (const format of formats) {
        assert.strictEqual(reasonOf(() => write(BuiltIn.uuid, format, wrong))._tag, "OutOfRange")
      }
    }
  })
})

describe("JSON", () => {
  it("rejects what JSON.stringify would lose or not accept", () => {
    const cycle: Record<string, unknown> = {}
    cycle["self"] = cycle
    for (const type of [BuiltIn.json, BuiltIn.jsonb]) {
      for (const value of [{ a: NaN }, [Infinity], -Infinity, { a: [{ b: NaN }] }, [new Date(NaN)]]) {
        assert.strictEqual(reasonOf(() => write(type, 1, value))._tag, "NotRepresentable")
      }
      for (const value of [undefined, cycle, big("1"), { a: big("1") }, [undefined], [() => 1], [Symbol("s")]]) {
        assert.strictEqual(reasonOf(() => write(type, 1, value))._tag, "TypeMismatch")
      }
      for (const value of ["\ud800", { a: "x\udfff" }, { "\ud800": 1 }, "\\\\\ud800"]) {
        assert.strictEqual(reasonOf(() => write(type, 1, value))._tag, "NotRepresentable")
      }
    }
  })

  it("accepts text that resembles escapes or null", () => {
    for (const value of ["\\ud800", "\\\\ud800", "\u{1f600}", { null: null }, "null", { a: undefined }, "\\u0000"]) {
      const back = read(BuiltIn.jsonb, 1, write(BuiltIn.jsonb, 1, value))
      assert.strictEqual(JSON.stringify(back), JSON.stringify(value))
    }
  })

  it("rejects U+0000 for jsonb and version bytes other than 1", () => {
    assert.strictEqual(reasonOf(() => write(BuiltIn.jsonb, 1, "a\0"))._tag, "NotRepresentable")
    assert.strictEqual(read(BuiltIn.json, 1, write(BuiltIn.json, 1, "a\0")), "a\0")
    for (const hex of ["", "00", "027b7d", "7b7d"]) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.jsonb, 1, fromHex(hex)))._tag, "Malformed")
    }
  })

  it("writes an empty array as an empty array", () => {
    assert.strictEqual(toHex(write(BuiltIn.jsonb, 1, [])), "015b5d")
  })

  it("is read and written as text by jsonText and jsonbText", () => {
    const text = "{\"n\": 12345678901234567890.50, \"n\": 1}"
    assert.strictEqual(read(BuiltIn.jsonbText, 1, utf8(`\u0001${text}`)), text)
    assert.strictEqual(toHex(write(BuiltIn.jsonbText, 1, text)), "01" + toHex(utf8(text)))
    assert.strictEqual(read(BuiltIn.jsonText, 0, utf8(text)), text)
  })
})

describe("instants", () => {
  // In the hour that New York skips, in the one that it repeats, and before time zones had whole minutes.
  const instants = [
    ["2024-03-10T07:30:00.000Z", "2024-03-10 07:30:00+00"],
    ["2024-11-03T05:30:00.123Z", "2024-11-03 05:30:00.123+00"],
    ["1883-11-18T12:00:00.000Z", "1883-11-18 12:00:00+00"],
    ["-000043-03-15T12:00:00.000Z", "0044-03-15 12:00:00+00 BC"]
  ] as const

  it("are written from a Date, in any time zone of the process", () => {
    const zone = process.env["TZ"]
    try {
      for (const tz of ["UTC", "America/New_York", "Europe/Dublin", "Asia/Kathmandu", "Pacific/Apia"]) {
        process.env["TZ"] = tz
        for (const [iso, text] of instants) {
          const bytes = write(BuiltIn.timestamptz, 1, new Date(iso))
          assert.strictEqual(new TextDecoder().decode(write(BuiltIn.timestamptz, 0, new Date(iso))), text)
          assert.strictEqual(
            TimestampTz.toDateUnsafe(read(BuiltIn.timestamptz, 1, bytes) as TimestampTz.TimestampTz).toISOString(),
            iso
          )
        }
      }
    } finally {
      if (zone === undefined) delete process.env["TZ"]
      else process.env["TZ"] = zone
    }
  })

  it("are written from DateTimes, with or without a time zone", () => {
    const utc = DateTime.makeUnsafe("2024-02-29T12:00:00.5Z")
    const zoned = DateTime.makeZonedUnsafe(utc, { timeZone: "Asia/Tokyo" })
    assert.strictEqual(toHex(write(BuiltIn.timestamptz, 1, zoned)), toHex(write(BuiltIn.timestamptz, 1, utc)))
    assert.strictEqual(new TextDecoder().decode(write(BuiltIn.timestamptz, 0, zoned)), "2024-02-29 12:00:00.5+00")
  })

  it("reject invalid dates", () => {
    for (const format of formats) {
      assert.strictEqual(reasonOf(() => write(BuiltIn.timestamptz, format, new Date(NaN)))._tag, "OutOfRange")
    }
  })

  it("are required: a Date is rejected for types without a time zone", () => {
    for (const type of [BuiltIn.timestamp, BuiltIn.date, BuiltIn.time]) {
      assert.strictEqual(reasonOf(() => write(type, 1, new Date(0)))._tag, "TypeMismatch")
    }
  })
})

describe("infinities", () => {
  it("have PostgreSQL's encoding, and are rejected for Hyper", () => {
    const cases = [
      [BuiltIn.date, "infinity", "7fffffff"],
      [BuiltIn.date, "-infinity", "80000000"],
      [BuiltIn.timestamp, "infinity", "7fffffffffffffff"],
      [BuiltIn.timestamp, "-infinity", "8000000000000000"],
      [BuiltIn.timestamptz, "infinity", "7fffffffffffffff"],
      [BuiltIn.timestamptz, "-infinity", "8000000000000000"],
      [BuiltIn.interval, "infinity", "7fffffffffffffff7fffffff7fffffff"],
      [BuiltIn.interval, "-infinity", "80000000000000008000000080000000"]
    ] as const
    for (const [type, text, hex] of cases) {
      const value = read(type, 1, fromHex(hex))
      assert.strictEqual(String(value), text)
      assert.deepStrictEqual(read(type, 0, utf8(text)), value)
      assert.strictEqual(toHex(write(type, 1, value)), hex)
      assert.strictEqual(new TextDecoder().decode(write(type, 0, value)), text)
      assert.strictEqual(reasonOf(() => write(type, 2, value))._tag, "NotRepresentable")
    }
  })
})

describe("intervals", () => {
  it("are read in every style that PostgreSQL prints", () => {
    const value = Interval.makeUnsafe({ months: 14, days: -3, microseconds: big("14706789000") })
    for (
      const text of [
        "1 year 2 mons -3 days +04:05:06.789",
        "@ 1 year 2 mons -3 days 4 hours 5 mins 6.789 secs",
        "P1Y2M-3DT4H5M6.789S",
        "+1-2 -3 +4:05:06.789"
      ]
    ) assert.deepStrictEqual(read(BuiltIn.interval, 0, utf8(text)), value)
    const negative = Interval.makeUnsafe({ microseconds: big("-1500000") })
    for (const text of ["-00:00:01.5", "@ 1.5 secs ago", "PT-1.5S", "-0:00:01.5"]) {
      assert.deepStrictEqual(read(BuiltIn.interval, 0, utf8(text)), negative)
    }
    for (const text of ["00:00:00", "@ 0", "PT0S", "0"]) {
      assert.deepStrictEqual(read(BuiltIn.interval, 0, utf8(text)), Interval.makeUnsafe({}))
    }
    assert.deepStrictEqual(
      read(BuiltIn.interval, 0, utf8("-3 4:05:06")),
      Interval.makeUnsafe({ days: -3, microseconds: big("-14706000000") })
    )
    assert.deepStrictEqual(read(BuiltIn.interval, 0, utf8("-1-2")), Interval.makeUnsafe({ months: -14 }))
    for (
      const text of [
        "",
        "P",
        "PT",
        "P1",
        "1",
        "1 day 2",
        "day",
        "@",
        "@ ago",
        "1 week",
        "1:2:3",
        "00:61:00",
        "P1YT",
        "1 day day",
        "1.5 days",
        "178956971 years"
      ]
    ) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.interval, 0, utf8(text)))._tag, "Malformed")
    }
  })
})
