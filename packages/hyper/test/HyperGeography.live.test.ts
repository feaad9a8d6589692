import { assert, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Query from "@hyperfect/client/Query"
import { sql } from "@hyperfect/client/Statement"
import * as HyperGeography from "@hyperfect/hyper/HyperGeography"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { Effect, Result } from "effect"
import { servers } from "./servers.ts"

const Place = HyperTable.make("places", {
  name: HyperTable.Text,
  text: HyperTable.NullOr(HyperTable.GeographyText),
  binary: HyperTable.NullOr(HyperTable.GeographyWkb)
})

const wkb = (text: string) => HyperGeography.toWkb(Result.getOrThrow(HyperGeography.fromWkt(text)))

layer(servers.hyper)("Geographies on Hyper", (it) => {
  it.effect("stores well-known text and binary, and reads both back", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* Place.create
      yield* Place.insert([
        { name: "a\\b\t\"c\"\n", text: "point(8.5 47.4)", binary: wkb("POINT(-8.5 -47.4)") },
        { name: "none", text: null, binary: null },
        { name: "\\N", text: "MULTIPOINT(1 2, 3 4)", binary: wkb("GEOMETRYCOLLECTION(POINT(1 2))") }
      ])
      const rows = yield* client.query(
        sql`select name, ${HyperGeography.asText("text")}, ${
          HyperGeography.asText("binary")
        } from ${Place} order by name`
      ).pipe(Query.rows(Place.Row))
      assert.deepStrictEqual(rows.map(({ name, text }) => [name, text]), [
        ["\\N", "MULTIPOINT((1.0000000 2.0000000), (3.0000000 4.0000000))"],
        ["a\\b\t\"c\"\n", "POINT(8.5000000 47.4000000)"],
        ["none", null]
      ])
      assert.deepStrictEqual(
        rows.map(({ binary }) =>
          binary && HyperGeography.toWkt(
            Result.getOrThrow(HyperGeography.fromWkb(binary))
          )
        ),
        ["GEOMETRYCOLLECTION (POINT (1 2))", "POINT (-8.5 -47.4)", null]
      )
    }))

  it.effect("accepts every form that the module accepts", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const texts = [
        "POINT EMPTY",
        "LINESTRING EMPTY",
        "POLYGON EMPTY",
        "POINT(+.5 1.)",
        "POINT(1E+1 2e-1)",
        "POINT(-180 90)",
        "LINESTRING(0 0, 0.0000002 0)",
        "POLYGON((0 0, 1 0, 1 1, 0 0), (.5 .1, .6 .1, .6 .2, .5 .1))",
        "MULTILINESTRING((0 0, 1 1), (2 2, 3 3))",
        "MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
        "GEOMETRYCOLLECTION(POINT EMPTY, GEOMETRYCOLLECTION (LINESTRING(0 0, 1 1)))",
        `${"GEOMETRYCOLLECTION(".repeat(8)}POINT(1 2)${")".repeat(8)}`
      ]
      for (const text of texts) assert.isTrue(Result.isSuccess(HyperGeography.fromWkt(text)), text)
      const Shape = HyperTable.make("shapes", { text: HyperTable.GeographyText, binary: HyperTable.GeographyWkb })
      yield* Shape.create
      const { rows } = yield* Shape.insert(texts.map((text) => ({ text, binary: wkb(text) })))
      assert.strictEqual(rows, texts.length)
      const found = yield* client.values(sql`select cast("text" as text), cast("binary" as text) from ${Shape}`)
      for (const [text, binary] of found.rows) assert.strictEqual(text, binary)
    }))

  it.effect("rejects a row before it is sent, and names its column", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const Spot = HyperTable.make("spots", { text: HyperTable.GeographyText, binary: HyperTable.GeographyWkb })
      yield* Spot.create
      const good = { text: "POINT(1 2)", binary: wkb("POINT(1 2)") }
      const failure = (row: object) =>
        Effect.map(Effect.flip(Spot.insert([good, { ...good, ...row }])), (error) => `${error._tag} ${error.message}`)
      assert.match(yield* failure({ text: "POINT(1 95)" }), /^ValueError row 1, column 0 "text", .*latitude/)
      assert.match(yield* failure({ text: good.binary }), /^ValueError row 1, column 0 "text"/)
      // Accepted as bytes, this would fail every later read as text.
      assert.match(yield* failure({ binary: Buffer.from("POINT(1 2)") }), /^ValueError row 1, column 1 "binary"/)
      assert.match(yield* failure({ binary: good.binary.subarray(1) }), /^ValueError row 1, column 1 "binary"/)
      assert.match(yield* failure({ text: null }), /^ValueError row 1, column 0 "text", .*NullNotAllowed/)
      assert.deepStrictEqual((yield* client.values(sql`select count(*) from ${Spot}`)).rows, [[BigInt(0)]])
    }))

  it.effect("stores bytes unchecked under their name alone, and reads of wrong ones fail", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const Raw = HyperTable.make("raw", { place: HyperTable.GeographyUnsafe })
      yield* Raw.create
      yield* Raw.insert([{ place: wkb("POINT(1 2)") }])
      const error = yield* Effect.flip(client.values(sql`select ${HyperGeography.asText("place")} from ${Raw}`))
      assert.strictEqual(error._tag === "ServerError" && error.reason.sqlState, "22P03")
    }))

  it.effect("H-60: Hyper changes geographies without an error", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const stored = (text: string) =>
        Effect.map(
          client.values(sql`select cast(cast(${text} as text) as geography)::text`),
          ({ rows }) => rows[0]![0]
        )
      assert.strictEqual(yield* stored("POINT Z (1 2 3)"), "POINT(1.0000000 2.0000000)")
      assert.strictEqual(yield* stored("POINT(190 45)"), "POINT(-170.0000000 45.0000000)")
      assert.match(String(yield* stored("POLYGON((0 0, 1 0, 2 0, 0 0))")), /0\.0000001/)
    }))
})
