import { assert } from "@effect/vitest"
import { fromTextUnsafe } from "@hyperfect/client/Statement"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import { Effect } from "effect"
import { describeServers, openSession } from "./liveServers.ts"

const encoder = new TextEncoder()

const parse = (type: Type.Any, text: string): unknown => {
  const bytes = encoder.encode(text)
  return type.text.read(bytes, 0, bytes.length, -1)
}

const print = (type: Type.Any, value: unknown): string => {
  const out = ByteWriter.make()
  type.text.write(out, value, -1)
  return new TextDecoder().decode(out.take())
}

/** Literals of each type, and the values of some of them. */
const types: ReadonlyArray<{
  readonly type: Type.Any
  readonly literals: ReadonlyArray<string>
  readonly values: ReadonlyArray<readonly [literal: string, value: unknown]>
}> = [
  {
    type: BuiltIn.hstore,
    literals: [
      "",
      "a=>1",
      "a=>NULL",
      `a=>"NULL"`,
      `"a b"=>"c, d"`,
      `"\\"q\\\\"=>"=>"`,
      `""=>""`,
      "ä=>😀",
      `"k\n"=>"\t"`
    ],
    values: [
      ["b=>2, a=>NULL, a=>1", { a: null, b: "2" }],
      ["__proto__=>1", JSON.parse(`{"__proto__":"1"}`)],
      [`"'"=>"x", e=>""`, { "'": "x", e: "" }]
    ]
  },
  { type: BuiltIn.citext, literals: ["", "Abc", "äÖ😀", "a,b\"{}\\"], values: [["Abc", "Abc"]] },
  { type: BuiltIn.ltree, literals: ["", "a", "Top.Science.Astronomy", "a_b.0"], values: [["a.b", "a.b"]] },
  { type: BuiltIn.lquery, literals: ["*", "Top.*{0,2}.sport*@.!football|tennis{1,}"], values: [["a.*", "a.*"]] },
  { type: BuiltIn.ltxtquery, literals: ["Europe & Russia*@ & !Transportation"], values: [] },
  {
    type: BuiltIn.cube,
    literals: [
      "(1)",
      "(1, 2.5),(-3, 1e300)",
      "(0)",
      "()",
      "(1,2,3),(1,2,3)",
      "(1),(1)",
      "(-Infinity),(Infinity)",
      "(5e-324)"
    ],
    values: [
      ["(3, 4),(1, 2)", { lower: [3, 4], upper: [1, 2] }],
      ["(1, 2)", { lower: [1, 2], upper: [1, 2] }]
    ]
  }
]

describeServers({
  postgres(it) {
    for (const { literals, type, values } of types) {
      it.effect(`${type.name} round-trips in text and in binary, alone and in an array`, () =>
        Effect.gen(function*() {
          const session = yield* openSession()
          yield* session.simple(`set client_min_messages = error;
            create extension if not exists hstore; create extension if not exists citext;
            create extension if not exists ltree; create extension if not exists cube`)
          const { name } = type
          const one = (text: string, parameter: unknown) =>
            Effect.map(session.values(fromTextUnsafe(text, [parameter])), ({ rows }) => rows[0]!)
          for (const literal of [...literals, ...values.map(([literal]) => literal)]) {
            const [value, printed, array, kind] = yield* one(
              `select v, v::text, array[v, null, v], pg_typeof(v)::text from (select ($1::text)::${name} as v) as t`,
              literal
            )
            assert.strictEqual(kind, name)
            assert.deepStrictEqual(parse(type, printed as string), value, literal)
            assert.deepStrictEqual(array, [value, null, value])
            // Binary, then text, which the server accepts for any type.
            assert.deepStrictEqual(yield* one(`select ($1::${name})::text`, value), [printed], literal)
            assert.deepStrictEqual(yield* one(`select ($1::${name})::text`, print(type, value)), [printed], literal)
            const [back] = yield* one(`select $1::${name}[]`, array)
            assert.deepStrictEqual(back, array)
          }
          for (const [literal, value] of values) {
            assert.deepStrictEqual(yield* one(`select ($1::text)::${name}`, literal), [value])
          }
        }))
    }

    it.effect("an extension that is dropped and created again has other OIDs, and is recognized again", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.simple("set client_min_messages = error; drop extension if exists cube; create extension cube")
        const read = Effect.map(session.values("select '(1)'::cube"), ({ rows }) => rows)
        const value = [[{ lower: [1], upper: [1] }]]
        assert.deepStrictEqual(yield* read, value)
        yield* session.simple("drop extension cube; create extension cube")
        assert.deepStrictEqual(yield* read, value)
      }))
  }
})
