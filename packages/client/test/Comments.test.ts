/** Comments on statements, as a server receives them. */
import { assert, describe, it } from "@effect/vitest"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import { postgres } from "@hyperfect/client/Dialect"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as Telemetry from "@hyperfect/client/Telemetry"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Fiber, Redacted, Schema, Stream } from "effect"
import { makeServer } from "./dialectServer.ts"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, copyIn, error, manualServer, ready } from "./manualServer.ts"
import { makeRecorder } from "./recorder.ts"

const { sql } = Statement

const config: ConnectionConfig = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" }

const withOptions = (options: Telemetry.Options) => Effect.provideService(Telemetry.Telemetry, options)

/** Runs an effect with a session, and returns the texts that the server received. */
const textsOf = <E>(
  run: (session: Session.Session) => Effect.Effect<unknown, E>,
  options: Telemetry.Options = { comments: { app: "shop" } },
  changes: Partial<ConnectionConfig> = {}
) => {
  const { layer, received } = makeServer({})
  return Effect.scoped(Effect.flatMap(Session.make({ ...config, ...changes }), run)).pipe(
    withOptions(options),
    Effect.provide(layer),
    Effect.map(() =>
      received.flatMap((message) => message._tag === "Query" || message._tag === "Parse" ? [message.query] : [])
    )
  )
}

const commented = (text: string) => `${text}\n/*app='shop'*/`

/** The state in which PostgreSQL's lexer is at the end of a text: in a comment, in a literal or quoted name, or neither. */
const endState = (text: string): string => {
  const token =
    /--[^\n\r]*|\/\*|\*\/|e'(?:[^'\\]|\\[^]|'')*(?<e>'|$)|'(?:[^']|'')*(?<s>'|$)|"[^"]*(?<q>"|$)|(?<d>\$\w*\$)|\w+|[^]/giy
  let depth = 0
  while (token.lastIndex < text.length) {
    if (depth > 0) {
      const end = /\/\*|\*\//g
      end.lastIndex = token.lastIndex
      const found = end.exec(text)
      if (found === null) return "comment"
      depth += found[0] === "/*" ? 1 : -1
      token.lastIndex = end.lastIndex
      continue
    }
    const { 0: found, groups } = token.exec(text)!
    if (found === "/*") depth++
    if (groups!["d"] !== undefined) {
      const end = text.indexOf(groups!["d"], token.lastIndex)
      if (end < 0) return "dollar"
      token.lastIndex = end + groups!["d"].length
    }
    if (groups!["e"] === "" || groups!["s"] === "") return "literal"
    if (groups!["q"] === "") return "name"
  }
  return depth > 0 ? "comment" : "end"
}

/** Texts made of what matters to a lexer. */
const Fragments = Schema.Array(Schema.Literals([
  ..."*/,/*,*,/,',\",--,-,$$,$a$,\\,;,e,E',n,%,%27,%2F,=,?,$1,ä,\u{1f600},\ud800,\0,\n, ,(".split(","),
  ","
]))

describe("Comment", () => {
  it.effect("has names and values by name, percent-encoded, on a line of its own", () =>
    Effect.gen(function*() {
      const comments = { route: "/orders?a=1", app: "Bob's *shop*", shard: 3, "a b": true, gone: undefined }
      assert.deepStrictEqual(yield* textsOf((session) => session.simple("select 7 -- seven"), { comments }), [
        "select 7 -- seven\n/*a%20b='true',app='Bob%27s%20%2Ashop%2A',route='%2Forders%3Fa%3D1',shard='3'*/"
      ])
    }))

  it.effect.prop(
    "neither ends early nor changes where a text ends, whatever its names and values",
    { name: Fragments, value: Fragments, other: Schema.String, last: Schema.String },
    ({ last, name, other, value }) =>
      Effect.gen(function*() {
        const comments = { [name.join("")]: value.join(""), [other]: last }
        const openings = [
          "select 1",
          "select 1 -- x",
          "select 'a",
          "select \"a",
          "select e'a\\",
          "select $$a"
        ]
        const texts = yield* textsOf(
          (session) => Effect.forEach(openings, (text) => session.simple(text)),
          { comments }
        )
        assert.deepStrictEqual(texts.map(endState), ["end", "end", "literal", "name", "literal", "dollar"])
        const [comment] = texts.map((text, i) => text.slice(openings[i]!.length))
        assert.match(comment!, /^\n\/\*[\w.!~()%-]*='[\w.!~()%-]*'(?:,[\w.!~()%-]*='[\w.!~()%-]*')?\*\/$/)
        assert.notInclude(comment!, "--")
        const pairs = comment!.slice(3, -2).split(",").map((pair) =>
          pair.slice(0, -1).split("='").map(decodeURIComponent)
        )
        const names = Object.keys(comments).toSorted()
        assert.deepStrictEqual(
          pairs,
          names.map((name) => [name.toWellFormed(), comments[name]!.toWellFormed()])
        )
      }),
    { arbitrary: { runs: 100 } }
  )

  it.effect("is absent without the option, whatever the effect adds", () =>
    Effect.gen(function*() {
      const run = (session: Session.Session) =>
        Telemetry.withComment(Effect.andThen(session.query("select 7"), session.simple("select 8")), { a: "b" })
      assert.deepStrictEqual(yield* textsOf(run, {}), ["select 7", "select 8"])
    }))

  it.effect("is absent without values, and behind an empty text", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* textsOf((session) => session.simple("select 7"), { comments: {} }), ["select 7"])
      assert.deepStrictEqual(yield* textsOf((session) => session.execute("")), [""])
    }))

  it.effect("is absent behind a text that may end in an open comment", () =>
    Effect.gen(function*() {
      const open = ["select 1 /* a", "select 1 /*/", "select 1 /* a */ /* b", "select '/*'"]
      const closed = ["select 1 /* a */", "select 1 /**/", "select /* /* a */"]
      const texts = yield* textsOf((session) => Effect.forEach([...open, ...closed], (text) => session.simple(text)))
      assert.deepStrictEqual(texts, [...open, ...closed.map(commented)])
    }))

  it.effect("has the values of the effect, of which inner ones override outer ones and the options", () =>
    Effect.gen(function*() {
      const run = (session: Session.Session) =>
        Effect.andThen(
          session.simple("select 1").pipe(
            Telemetry.withComment({ app: undefined }),
            Telemetry.withComment({ route: "a" })
          ),
          Stream.runDrain(session.stream("select 2")).pipe(Telemetry.withComment({ app: "other" }))
        )
      assert.deepStrictEqual(yield* textsOf(run), ["select 1\n/*route='a'*/", "select 2\n/*app='other'*/"])
    }))

  it.effect("is behind every statement of the program, and not behind commands of the client", () =>
    Effect.gen(function*() {
      const texts = yield* textsOf((session) =>
        Effect.scoped(Effect.gen(function*() {
          yield* session.query(sql`select ${1}::int`)
          yield* session.values(Statement.unprepared("select 2"))
          yield* session.describe("select 3")
          yield* Stream.runDrain(session.streamValues("select 4"))
          const prepared = yield* session.prepare("select 5", [BuiltIn.int4])
          yield* prepared.values()
          yield* session.batch(["select 6", "select 7"])
          yield* session.pipeline(["select 8", "select 9"])
          yield* session.transaction(session.simple("select 10"))
          yield* session.transaction(session.query("select 11"), { settings: { a: "b" } })
        }))
      )
      const ofProgram = Array.from({ length: 9 }, (_, i) => commented(i === 0 ? "select $1::int" : `select ${i + 1}`))
      assert.deepStrictEqual(texts, [
        ...ofProgram,
        "BEGIN",
        commented("select 10"),
        "COMMIT",
        "BEGIN",
        "SELECT pg_catalog.set_config($1, $2, true)",
        commented("select 11"),
        "COMMIT"
      ])
    }))

  it.effect("is behind COPY", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const into = yield* forkImmediately(session.copyIn("copy t from stdin", Stream.make(Uint8Array.of(1))))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: commented("copy t from stdin") })
      yield* server.send(copyIn)
      yield* server.expect("CopyData", "CopyDone")
      yield* server.send(complete("COPY 1"), ready())
      yield* Fiber.join(into)
      const out = yield* forkImmediately(Stream.runDrain(session.copyOut("copy t to stdout")))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: commented("copy t to stdout") })
      yield* server.send({ _tag: "CopyOutResponse", format: 0, columnFormats: [0] }, { _tag: "CopyDone" })
      yield* server.send(complete("COPY 0"), ready())
      yield* Fiber.join(out)
    }).pipe(withOptions({ comments: { app: "shop" } }), Effect.provide(manualServer())))

  it.effect("is not behind the commands by which a pool resets a session", () =>
    Effect.gen(function*() {
      const { layer, received } = makeServer({})
      const options = { comments: { app: "shop" } }
      yield* Effect.scoped(Effect.gen(function*() {
        const pool = yield* Pool.make(config, { max: 1, onConnect: (session) => session.simple("select 1") })
        yield* pool.query("set")
        yield* pool.values("select 2")
      })).pipe(withOptions(options), Effect.provide(layer))
      assert.deepStrictEqual(
        received.flatMap((message) => message._tag === "Query" || message._tag === "Parse" ? [message.query] : []),
        [...["select 1", "set"].map(commented), postgres.reset, ...["select 1", "select 2"].map(commented)]
      )
    }))

  it.effect("is not behind the commands of a replication session", () =>
    Effect.gen(function*() {
      const run = (session: Session.Session) => session.simple("select 7")
      const parameters = { replication: "database" }
      assert.deepStrictEqual(yield* textsOf(run, { comments: { app: "shop" } }, { parameters }), ["select 7"])
    }))

  it.effect("makes statements of their own, which are prepared once each", () =>
    Effect.gen(function*() {
      const run = (session: Session.Session) =>
        Effect.forEach(["a", "b", "a", "b"], (route) => Telemetry.withComment(session.query("select 7"), { route }))
      assert.deepStrictEqual(yield* textsOf(run), [
        "select 7\n/*app='shop',route='a'*/",
        "select 7\n/*app='shop',route='b'*/"
      ])
    }))

  it.effect("of a statement that was prepared explicitly remains when it is run elsewhere", () =>
    Effect.gen(function*() {
      const texts = yield* textsOf((session) =>
        Effect.scoped(Effect.gen(function*() {
          const prepared = yield* session.prepare("select 7").pipe(Telemetry.withComment({ route: "a" }))
          const run = Telemetry.withComment(prepared.query(), { route: "b" })
          yield* run
          yield* session.execute("set role")
          yield* run
        }))
      )
      const prepared = "select 7\n/*app='shop',route='a'*/"
      assert.deepStrictEqual(texts, [prepared, commented("set role"), prepared])
    }))

  it.effect("is in neither the error's statement nor its position, nor in a span", () =>
    Effect.gen(function*() {
      const { spans, traced } = makeRecorder()
      const { server, session } = yield* connect
      const failing = yield* forkImmediately(Effect.flip(traced(session.simple(sql`select (`))))
      yield* server.expect("Query")
      const { fields } = error("42601") as { readonly fields: ReadonlyArray<{ code: string; value: string }> }
      yield* server.send({ _tag: "ErrorResponse", fields: [...fields, { code: "P", value: "27" }] }, ready())
      const failure = yield* Fiber.join(failing)
      assert(failure._tag === "ServerError")
      assert.strictEqual(failure.reason.position, "select (".length + 1)
      assert.include(failure.message, "at character 9")
      assert.strictEqual(Redacted.value(failure.statement), "select (")
      assert.match(failure.stack!, /Comments\.test\.ts/)
      assert.strictEqual(spans[0]!.attributes.get("db.query.text"), "select (")
    }).pipe(withOptions({ comments: { app: "shop" } }), Effect.provide(manualServer())))

  it.effect("names the span of a statement that is not kept prepared", () =>
    Effect.gen(function*() {
      const { spans, traced } = makeRecorder()
      const run = (session: Session.Session) =>
        traced(Effect.gen(function*() {
          yield* session.query("select 1")
          yield* session.query(Statement.unprepared("select 2"))
          yield* session.simple("select 3")
          yield* Effect.withTracerEnabled(session.simple("select 4"), false)
        }))
      const options = { comments: { zone: "b" }, traceComments: true }
      const [first, ...others] = yield* textsOf(run, options)
      const [, second, third] = spans.map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`)
      assert.strictEqual(first, "select 1\n/*zone='b'*/")
      assert.deepStrictEqual(others, [
        `select 2\n/*traceparent='${second}',zone='b'*/`,
        `select 3\n/*traceparent='${third}',zone='b'*/`,
        "select 4\n/*zone='b'*/"
      ])
      const [unnamed] = yield* textsOf((session) => traced(session.query("select 1")), { traceComments: true }, {
        statementCacheSize: 0
      })
      assert.match(unnamed!, /^select 1\n\/\*traceparent='00-[0-9a-f]{32}-[0-9a-f]{16}-01'\*\/$/)
    }))
})
