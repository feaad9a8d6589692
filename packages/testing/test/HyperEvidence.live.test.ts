/** Facts about hyperd in `packages/docs/evidence/hyper.md` that no other test shows, without our client in between. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Transport from "@hyperfect/transport/Transport"
import { Effect, Exit, Layer } from "effect"
import { query, receiveUntil, startSession } from "./rawSession.ts"

const hex = (bytes: Uint8Array | null | undefined) => bytes && Buffer.from(bytes).toString("hex")
const utf8 = (text: string) => Uint8Array.from(Buffer.from(text))

/** Logs in; the scope closes the connection. */
const open = Effect.fnUntraced(function*(database?: string) {
  const { endpoint, password, saslPrep, user } = yield* Hyperd
  const transport = yield* Transport.Transport
  const channel = MessageChannel.client(yield* transport.connect(endpoint))
  yield* Authenticate.client(channel, { user, password, saslPrep, database })
  return channel
})

interface Options {
  readonly types?: ReadonlyArray<number>
  readonly values?: ReadonlyArray<Uint8Array>
  readonly format?: number
  readonly maxRows?: number
}

const bind = (statement: string, parameters: ReadonlyArray<Uint8Array> = [], format = 0): Frontend.Message => ({
  _tag: "Bind",
  portal: "",
  statement,
  parameterFormats: [],
  parameters,
  resultFormats: [format]
})

const group = (
  sql: string,
  { format = 0, maxRows = 0, types = [], values = [] }: Options = {}
): ReadonlyArray<Frontend.Message> => [
  { _tag: "Parse", name: "", query: sql, parameterTypes: types },
  bind("", values, format),
  { _tag: "Describe", kind: "P", name: "" },
  { _tag: "Execute", portal: "", maxRows }
]

/** Runs a statement with the extended protocol, and returns its fields, rows, and SQLSTATE if it failed. */
const run = Effect.fnUntraced(function*(channel: MessageChannel.Client, sql: string, options?: Options) {
  yield* channel.send(...group(sql, options), { _tag: "Sync" })
  const messages = yield* receiveUntil(channel, "ReadyForQuery")
  return {
    fields: messages.flatMap((message) => message._tag === "RowDescription" ? message.fields : []),
    rows: messages.flatMap((message) =>
      message._tag === "DataRow" ? [message.columns.map((column) => column && Uint8Array.from(column))] : []
    ),
    error: messages.flatMap((message) =>
      message._tag === "ErrorResponse" ? [ErrorField.get(message.fields, "sqlState")] : []
    )[0]
  }
})

/** Runs a COPY FROM STDIN of HyperBinary rows. */
const copy = Effect.fnUntraced(function*(channel: MessageChannel.Client, table: string, row: string) {
  const header = "48505243505900000000000000000000000000"
  yield* channel.send(
    { _tag: "Query", query: `copy ${table} from stdin with (format hyperbinary)` },
    { _tag: "CopyData", data: Uint8Array.from(Buffer.from(header + row, "hex")) },
    { _tag: "CopyDone" }
  )
  const messages = yield* receiveUntil(channel, "ReadyForQuery")
  assert.isFalse(messages.some(({ _tag }) => _tag === "ErrorResponse"))
})

const server = HyperdServer.layer().pipe(
  Layer.provideMerge(NodePlatform.layer),
  Layer.provideMerge(Authenticate.layerCrypto)
)

describe("hyperd", () => {
  layer(server, { excludeTestServices: true })((it) => {
    it.effect("H-02: says nothing about a start-up packet without a user or of more than 4,096 bytes", () =>
      Effect.gen(function*() {
        const { endpoint, user } = yield* Hyperd
        for (const parameters of [{ database: "x" }, { user, application_name: "x".repeat(4096) }]) {
          const channel = yield* startSession(endpoint, parameters as unknown as Record<string, string>)
          assert.strictEqual((yield* Effect.flip(channel.receive))._tag, "TransportError")
        }
      }))

    it.effect("H-04, H-05: arrays with elements that may be NULL have a bitmap in results, others only there", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        yield* query(channel, "create temp table a(x array(integer), y array(integer not null))")
        yield* copy(channel, "a", "00" + "05000000" + "0700000000" + "00" + "04000000" + "07000000")
        const { fields, rows } = yield* run(channel, "select x, y from a", { format: 2 })
        assert.deepStrictEqual(rows[0]!.map(hex), ["0700000000", "0700000000"])
        assert.strictEqual(fields[0]!.typeOid, fields[1]!.typeOid)
        assert.strictEqual(fields[0]!.typeModifier, fields[1]!.typeModifier)
        const types =
          "select atttypid, atttypmod from pg_catalog.pg_attribute where attrelid = 'a'::regclass and attnum > 0"
        const [x, y] = yield* query(channel, types)
        assert.deepStrictEqual(x, y)
      }))

    it.effect("H-06: a named statement of a table that was dropped and created anew reads the old one", () =>
      Effect.gen(function*() {
        yield* query(yield* open(), "create database \"stale.hyper\"")
        const channel = yield* open("stale.hyper")
        yield* query(channel, "create table t(x integer)")
        yield* query(channel, "insert into t values (1)")
        yield* channel.send(
          { _tag: "Parse", name: "s", query: "select * from t", parameterTypes: [] },
          { _tag: "Sync" }
        )
        yield* receiveUntil(channel, "ReadyForQuery")
        yield* query(channel, "drop table t")
        yield* query(channel, "create table t(x integer, y integer)")
        yield* query(channel, "insert into t values (2, 3)")
        yield* channel.send(bind("s"), { _tag: "Execute", portal: "", maxRows: 0 }, { _tag: "Sync" })
        const messages = yield* receiveUntil(channel, "ReadyForQuery")
        assert.isFalse(messages.some(({ _tag }) => _tag === "ErrorResponse"))
        assert.notInclude(
          messages.flatMap((message) => message._tag === "DataRow" ? message.columns.map(String) : []),
          "3"
        )
      }))

    it.effect("H-07: Parse declares a type per parameter, and 0 stays 0 when described", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        const declare = (parameterTypes: ReadonlyArray<number>) =>
          Effect.andThen(
            channel.send(
              { _tag: "Parse", name: "", query: "select 1 + $1", parameterTypes },
              { _tag: "Describe", kind: "S", name: "" },
              { _tag: "Sync" }
            ),
            receiveUntil(channel, "ReadyForQuery")
          )
        assert.strictEqual((yield* declare([]))[0]!._tag, "ErrorResponse")
        assert.deepInclude((yield* declare([0]))[1], { _tag: "ParameterDescription", parameterTypes: [0] })
      }))

    it.effect("H-09: floating-point numbers in text have 15 digits", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        assert.deepStrictEqual(yield* query(channel, "select 0.1::double precision + 0.2::double precision"), [["0.3"]])
      }))

    it.effect("H-13, H-14: serializable transactions miss each other's writes, and read-only ones write", () =>
      Effect.gen(function*() {
        const first = yield* open()
        yield* query(first, "create database \"skew.hyper\"")
        const [a, b] = [yield* open("skew.hyper"), yield* open("skew.hyper")]
        yield* query(a, "create table a(x integer)")
        yield* query(a, "create table b(x integer)")
        for (const session of [a, b]) yield* query(session, "begin isolation level serializable")
        for (const [session, from, to] of [[a, "b", "a"], [b, "a", "b"]] as const) {
          assert.deepStrictEqual(yield* query(session, `select count(*) from ${from}`), [["0"]])
          assert.deepStrictEqual(yield* query(session, `insert into ${to} values (1)`), [])
        }
        for (const session of [a, b]) assert.deepStrictEqual(yield* query(session, "commit"), [])
        yield* query(a, "begin read only")
        yield* query(a, "insert into a values (2)")
        yield* query(a, "commit")
        assert.deepStrictEqual(yield* query(a, "select count(*) from a"), [["2"]])
      }))

    it.effect("H-15: the next statement of the extended protocol clears a failed transaction", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        yield* query(channel, "create temp table f(x integer)")
        yield* query(channel, "begin")
        yield* query(channel, "insert into f values (1)")
        assert.strictEqual((yield* run(channel, "select 1/0")).error, "22012")
        const { error } = yield* run(channel, "select 1")
        assert.isUndefined(error)
        const tags = yield* Effect.andThen(
          channel.send({ _tag: "Query", query: "commit" }),
          receiveUntil(channel, "ReadyForQuery")
        )
        assert.deepInclude(tags[0], { _tag: "CommandComplete", commandTag: "COMMIT" })
      }))

    it.effect("H-17: FETCH as a simple query returns text, which loses digits (H-09)", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        yield* query(channel, "begin")
        yield* query(channel, "declare c cursor for select 0.1::double precision + 0.2::double precision")
        assert.deepStrictEqual(yield* query(channel, "fetch 1 from c"), [["0.3"]])
      }))

    it.effect("H-18: a statement has at most 32,767 parameters", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        const ofCount = (count: number) =>
          run(channel, `select $1 where 1 in (${Array.from({ length: count }, (_, i) => `$${i + 1}`).join()})`, {
            types: new Array<number>(count).fill(23),
            values: new Array<Uint8Array>(count).fill(utf8("2"))
          })
        assert.isDefined((yield* ofCount(32_768)).error)
        assert.isUndefined((yield* ofCount(100)).error)
      }))

    it.effect("H-21: a name of two parts is a schema and a table", () =>
      Effect.gen(function*() {
        const first = yield* open()
        yield* query(first, "create database \"parts.hyper\"")
        const channel = yield* open("parts.hyper")
        yield* query(channel, "create table t(x integer)")
        const [[database] = []] = yield* query(channel, "select current_database()")
        const [state] = (yield* query(channel, `select * from "${database}"."t"`))[0]!
        assert.include(["3F000", "42P01"], state)
        assert.deepStrictEqual(yield* query(channel, `select * from "${database}"."public"."t"`), [])
      }))

    it.effect("H-22, H-25, H-30: char(1) is a type of its own, without U+0000, and a number in arrays", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        const { fields, rows } = yield* run(
          channel,
          "select 'a'::char(1), 'ab'::char(2), array['a'::char(1), ' '::char(1)]",
          {
            format: 2
          }
        )
        assert.deepStrictEqual(fields.map(({ typeOid }) => typeOid), [18, 1042, 1002])
        assert.strictEqual(hex(rows[0]![2]), "610000000000000000")
        const nul = yield* run(channel, "select $1", { types: [18], values: [Uint8Array.of(0)], format: 2 })
        assert.strictEqual(hex(nul.rows[0]![0]), "20")
      }))

    it.effect("H-24: the end marker of an Arrow stream is the end of all data, without an error", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        yield* channel.send({ _tag: "Query", query: "copy (select 1 as x) to stdout with (format arrowstream)" })
        const stream = (yield* receiveUntil(channel, "ReadyForQuery")).flatMap((message) =>
          message._tag === "CopyData" ? [Uint8Array.from(message.data)] : []
        )
        const endMarker = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
        yield* query(channel, "create temp table arrow(x integer not null)")
        yield* channel.send(
          { _tag: "Query", query: "copy arrow from stdin with (format arrowstream)" },
          ...[...stream, endMarker, ...stream].map((data) => ({ _tag: "CopyData", data }) as const),
          { _tag: "CopyDone" }
        )
        const messages = yield* receiveUntil(channel, "ReadyForQuery")
        assert.deepInclude(messages.at(-2), { _tag: "CommandComplete", commandTag: "COPY 1" })
      }))

    it.effect("H-29: char(n) is padded in results, and not in HyperBinary arrays", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        const { rows } = yield* run(channel, "select 'a'::char(3), array['a'::char(3)]", { format: 2 })
        assert.strictEqual(hex(rows[0]![0]), "612020")
        assert.strictEqual(hex(rows[0]![1]), "01000000" + "01000000" + "00" + "61")
      }))

    it.effect("H-31, H-32: COPY stores any byte as a boolean, and any number as a time", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        yield* query(channel, "create temp table v(b boolean not null, t time not null)")
        yield* copy(channel, "v", "07" + "ffffffffffffff7f")
        const { rows } = yield* run(channel, "select * from v", { format: 2 })
        assert.strictEqual(hex(rows[0]![1]), "ffffffffffffff7f")
        assert.notStrictEqual(hex(rows[0]![0]), "00")
      }))

    it.effect("H-33: arrays in text escape quotes and backslashes only", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        const { rows } = yield* run(channel, "select array[$1, 'b']", { types: [25], values: [utf8("a\"\\\n\u0001")] })
        assert.strictEqual(Buffer.from(rows[0]![0]!).toString(), "[\"a\\\"\\\\\n\u0001\",\"b\"]")
      }))

    it.effect("H-34: the first date is 4713-01-01 BC", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        yield* query(channel, "create temp table d(x date not null)")
        yield* copy(channel, "d", "26000000")
        assert.strictEqual(hex((yield* run(channel, "select x from d", { format: 2 })).rows[0]![0]), "26000000")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.suspend(() => copy(channel, "d", "25000000")))))
      }))

    it.effect("H-35, H-36: parameters keep U+0000, and a bare numeric is numeric(1,0)", () =>
      Effect.gen(function*() {
        const channel = yield* open()
        const nul = yield* run(channel, "select $1", { types: [25], values: [Uint8Array.of(0x61, 0, 0x62)] })
        assert.strictEqual(hex(nul.rows[0]![0]), "610062")
        assert.strictEqual(
          (yield* run(channel, "select $1", { types: [1700], values: [utf8("12.34")] })).error,
          "22003"
        )
      }))
  })

  /** True if the server has ended because of what was sent. */
  const ends = <E, R>(work: (channel: MessageChannel.Client) => Effect.Effect<unknown, E, R>) =>
    Effect.gen(function*() {
      let hasEnded = false
      // The server's layer reports the crash when it is released.
      yield* Effect.gen(function*() {
        const channel = yield* open()
        yield* work(channel)
      }).pipe(
        Effect.exit,
        Effect.andThen(Effect.exit(open())),
        Effect.tap((exit) => Effect.sync(() => (hasEnded = Exit.isFailure(exit)))),
        Effect.scoped,
        Effect.provide(server),
        Effect.exit
      )
      return hasEnded
    })

  it.live("H-10: row limits can end the server", () =>
    Effect.gen(function*() {
      const execute = (maxRows: number): Frontend.Message => ({ _tag: "Execute", portal: "", maxRows })
      const hasEnded = yield* ends((channel) =>
        Effect.gen(function*() {
          yield* channel.send(
            { _tag: "Parse", name: "", query: "select * from generate_series(1, 100)", parameterTypes: [] },
            bind(""),
            ...[2, 2, 0].map(execute),
            { _tag: "Sync" }
          )
          yield* receiveUntil(channel, "ReadyForQuery")
        })
      )
      assert.isTrue(hasEnded)
    }))

  it.live("H-12: FETCH by the extended protocol ends the server", () =>
    Effect.gen(function*() {
      const hasEnded = yield* ends((channel) =>
        Effect.gen(function*() {
          yield* query(channel, "begin")
          yield* query(channel, "declare c cursor for select 1")
          yield* run(channel, "fetch 1 from c")
        })
      )
      assert.isTrue(hasEnded)
    }))
})
