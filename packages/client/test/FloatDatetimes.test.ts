/** Servers that represent dates and times as floating-point numbers: such values must never be sent in binary. */
import { assert, describe, it } from "@effect/vitest"
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import { Client } from "@hyperfect/client/Client"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Copy from "@hyperfect/client/Copy"
import * as Session from "@hyperfect/client/Session"
import { fromTextUnsafe, withPreset } from "@hyperfect/client/Statement"
import type { Bind } from "@hyperfect/protocol/frontend/Bind"
import type { FunctionCall } from "@hyperfect/protocol/frontend/FunctionCall"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Interval from "@hyperfect/values/Interval"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Preset from "@hyperfect/values/Preset"
import * as Range from "@hyperfect/values/Range"
import * as TimeOfDay from "@hyperfect/values/TimeOfDay"
import * as TimeOfDayTz from "@hyperfect/values/TimeOfDayTz"
import * as Timestamp from "@hyperfect/values/Timestamp"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import type * as Type from "@hyperfect/values/Type"
import { Effect, Layer } from "effect"
import { complete, copyIn, ready } from "./manualServer.ts"

const config: ConnectionConfig = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" }

const instant = TimestampTz.fromStringUnsafe("2001-01-01T10:00:00.25Z")
const later = TimestampTz.fromStringUnsafe("2002-01-01T00:00:00Z")

/** Types, values of them, and the server's texts of these values. */
const cases: ReadonlyArray<readonly [typeOid: number, value: unknown, text: string]> = [
  [1083, TimeOfDay.makeUnsafe(10, 30), "10:30:00"],
  [1266, TimeOfDayTz.fromStringUnsafe("10:30:00+02"), "10:30:00+02"],
  [1114, Timestamp.fromStringUnsafe("2001-01-01T10:00:00.25"), "2001-01-01 10:00:00.25"],
  [1184, instant, "2001-01-01 10:00:00.25+00"],
  [1186, Interval.makeUnsafe({ days: 1, microseconds: 500_000n }), "1 day 00:00:00.5"],
  [1185, [instant, null], "{\"2001-01-01 10:00:00.25+00\",NULL}"],
  [3910, Range.between(instant, later), "[\"2001-01-01 10:00:00.25+00\",\"2002-01-01 00:00:00+00\")"]
]

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? undefined)

/** A server that answers every statement with a row of these texts and an integer, in the requested formats. */
const makeServer = () => {
  const binds: Array<Bind> = []
  const calls: Array<FunctionCall> = []
  const queries: Array<string> = []
  const oids = [...cases.map(([oid]) => oid), 23]
  const layer = InMemory.layer((line) =>
    Effect.gen(function*() {
      const channel = MessageChannel.server(line)
      yield* Effect.orDie(
        Authenticate.server(channel, {
          account: () => Effect.succeed(Account.trust),
          parameters: { server_version: "9.6.24", integer_datetimes: "off" }
        })
      )
      let formats: ReadonlyArray<number> = []
      const fields = () =>
        oids.map((typeOid, i) => ({
          name: `c${i}`,
          tableOid: 0,
          columnNumber: 0,
          typeOid,
          typeSize: -1,
          typeModifier: -1,
          format: (formats.length === 1 ? formats[0] : formats[i]) ?? 0
        }))
      while (true) {
        const message = yield* channel.receive
        switch (message._tag) {
          case "Terminate":
            return
          case "Query":
            queries.push(message.query)
            yield* message.query.startsWith("COPY")
              ? channel.send(copyIn)
              : channel.send(complete("SET"), ready())
            break
          case "CopyDone":
            yield* channel.send(complete("COPY 1"), ready())
            break
          case "Parse":
            formats = []
            queries.push(message.query)
            yield* channel.send({ _tag: "ParseComplete" })
            break
          case "Describe":
            if (message.kind === "S") yield* channel.send({ _tag: "ParameterDescription", parameterTypes: oids })
            yield* channel.send({ _tag: "RowDescription", fields: fields() })
            break
          case "Bind":
            binds.push(message)
            formats = message.resultFormats
            yield* channel.send({ _tag: "BindComplete" })
            break
          case "Execute":
            yield* channel.send({
              _tag: "DataRow",
              columns: [
                ...cases.map(([, , text]) => encode(text)),
                fields().at(-1)!.format === 1 ? Uint8Array.of(0, 0, 0, 7) : encode("7")
              ]
            }, complete("SELECT 1"))
            break
          case "FunctionCall":
            calls.push(message)
            yield* channel.send({ _tag: "FunctionCallResponse", value: encode("2001-01-01 10:00:00.25+00") }, ready())
            break
          case "Sync":
            yield* channel.send(ready())
            break
          default:
            // CopyData and Close need no answer here.
        }
      }
    }).pipe(Effect.ignore)
  ).pipe(Layer.provideMerge(Authenticate.layerCrypto))
  return { binds, calls, layer, queries }
}

const text = `select ${cases.map((_, i) => `$${i + 1}`).join()}, $${cases.length + 1}`
const values = cases.map(([, value]) => value)

/** The texts of parameters. All parameters but the last must be in text. */
const textsOf = ({ parameterFormats, parameters }: Bind) => {
  const formatOf = (i: number) => parameterFormats.length === 1 ? parameterFormats[0] : parameterFormats[i] ?? 0
  return parameters.slice(0, -1).map((bytes, i) => {
    assert.strictEqual(formatOf(i), 0)
    return decode(bytes).replaceAll("T", " ")
  })
}

describe("servers with dates and times as floating-point numbers", () => {
  for (
    const [name, parameters] of [
      ["inferred", values.with(5, Parameter.make([instant, null], BuiltIn.array(BuiltIn.timestamptz)))],
      ["described", values],
      [
        "declared",
        values.map((value, i) => i === 3 ? Parameter.make(new Date(978_343_200_250), BuiltIn.timestamptzDate) : value)
      ]
    ] as const
  ) {
    it.effect(`get and return dates and times in text: ${name}`, () => {
      const { binds, layer } = makeServer()
      return Effect.gen(function*() {
        const session = yield* Session.make(config)
        const statement = fromTextUnsafe(text, [...parameters, 7])
        for (let i = 0; i < 100; i++) {
          const { rows } = yield* session.values(statement)
          assert.deepStrictEqual(rows, [[...values, 7]])
        }
        assert.strictEqual(binds.length, 100)
        for (const bind of binds) {
          assert.deepStrictEqual(bind.resultFormats, [...cases.map(() => 0), 1])
          const texts = textsOf(bind)
          assert.strictEqual(texts[0], "10:30:00")
          assert.include(texts[2], "2001-01-01 10:00:00.25")
          assert.include(texts[3], "2001-01-01 10:00:00.25")
          assert.include(texts[5], "2001-01-01 10:00:00.25")
          assert.include(texts[6], "2001-01-01 10:00:00.25")
          assert.deepStrictEqual(bind.parameters.at(-1), Uint8Array.of(0, 0, 0, 7))
        }
      }).pipe(Effect.scoped, Effect.provide(layer))
    })
  }

  it.effect("are supported by every preset", () => {
    const { layer } = makeServer()
    return Effect.gen(function*() {
      const session = yield* Session.make(config)
      const read = (preset: Preset.Preset) =>
        Effect.map(session.values(withPreset(fromTextUnsafe(text, [...values, 7]), preset)), ({ rows }) => rows[0]!)
      const native = yield* read(Preset.native)
      assert.deepStrictEqual(native[3], new Date("2001-01-01T10:00:00.250Z"))
      assert.deepStrictEqual(native[5], [new Date("2001-01-01T10:00:00.250Z"), null])
      assert.deepStrictEqual((yield* read(Preset.text)).slice(0, -1), cases.map(([, , text]) => text))
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("get dates and times in text without a statement cache", () => {
    const { binds, layer } = makeServer()
    return Effect.gen(function*() {
      const session = yield* Session.make({ ...config, statementCacheSize: 0 })
      const parameters = [
        ...values.slice(0, 5),
        Parameter.make([instant], BuiltIn.array(BuiltIn.timestamptz)),
        Parameter.make(Range.between(instant, later), BuiltIn.tstzrange),
        7
      ]
      yield* session.values(fromTextUnsafe(text, parameters))
      assert.include(textsOf(binds[0]!)[3], "2001-01-01 10:00:00.25")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("get and return dates and times of function calls in text", () => {
    const { calls, layer } = makeServer()
    return Effect.gen(function*() {
      const session = yield* Session.make(config)
      const result = yield* session.call(1, [Parameter.make(instant, BuiltIn.timestamptz)], BuiltIn.timestamptz)
      assert.deepStrictEqual(result, instant)
      assert.deepStrictEqual(calls[0]!.argumentFormats, [0])
      assert.strictEqual(calls[0]!.resultFormat, 0)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("get copies in text", () => {
    const { layer, queries } = makeServer()
    return Effect.gen(function*() {
      const session = yield* Session.make(config)
      const into = (type: Type.Any) =>
        Copy.into([{ a: null }], "t", { columns: [{ name: "a", type, nullable: true }] }).pipe(
          Effect.provideService(Client, session)
        )
      yield* into(BuiltIn.timestamptz)
      yield* into(BuiltIn.array(BuiltIn.interval))
      yield* into(BuiltIn.date)
      const copies = queries.filter((query) => query.startsWith("COPY"))
      assert.deepStrictEqual(copies.map((query) => /FORMAT (\w+)/i.exec(query)?.[1]?.toLowerCase()), [
        "text",
        "text",
        "binary"
      ])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})
