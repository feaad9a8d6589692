/** Caller's code that throws, wherever a session, a pool or a listener calls it. */
import { assert } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import * as Notifications from "@hyperfect/client/Notifications"
import type { Queries } from "@hyperfect/client/Queries"
import * as Query from "@hyperfect/client/Query"
import * as Replication from "@hyperfect/client/Replication"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as ProtocolTrace from "@hyperfect/transport/ProtocolTrace"
import { BuiltIn, type CopyFormat, Parameter, Preset, type Type } from "@hyperfect/values"
import { Cause, Effect, Exit, Fiber, Layer, Logger, Schema, SchemaTransformation, Stream, Tracer } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

const { sql, withPreset } = Statement

class Bug extends Error {}

const fail = (): never => {
  throw new Bug("thrown by the caller's own code")
}

const throwingCodec: Type.Codec<number> = { ...BuiltIn.int4.text, read: fail, write: fail }

const throwingType: Type.Type<number> = {
  ...BuiltIn.int4,
  text: throwingCodec,
  binary: throwingCodec,
  hyper: BuiltIn.int4.hyper && { ...BuiltIn.int4.hyper, read: fail, write: fail }
}

const throwing = Preset.withTypes(Preset.lossless, { int4: throwingType })

const ThrowingSchema = Schema.Struct({
  n: Schema.Number.pipe(
    Schema.decodeTo(Schema.Number, SchemaTransformation.transform<number, number>({ decode: fail, encode: fail }))
  )
})

const numbers = "select n::int as n from generate_series(1, 300) as g(n)"
const reading = withPreset(numbers, throwing)

const throwingReader = (): CopyFormat.Reader<never> => ({ push: fail, end: fail })
const throwingAtEnd = (): CopyFormat.Reader<never> => ({ push: () => {}, end: fail })
const throwingRows = function*() {
  yield { n: 1 }
  fail()
}

type Operations = Readonly<Record<string, Effect.Effect<unknown, unknown>>>

const queriesOf = (client: Queries): Operations => ({
  "a codec of a query": client.query(reading),
  "a codec of rows as arrays": client.values(reading),
  "a codec of rows in columns": client.columns(reading),
  "a codec of a stream": Stream.runDrain(client.stream(reading)),
  "a codec of a stream of arrays": Stream.runDrain(client.streamValues(reading)),
  "a codec of a stream that fetches": Stream.runDrain(client.stream(reading, { fetchSize: 10 })),
  "a codec of a batch": client.batch(["select 1", reading]),
  "a codec in a transaction": client.transaction(client.query(reading)),
  "a preset": client.query(withPreset(numbers, Preset.make(fail))),
  "a Schema": client.query(numbers).pipe(Query.rows(ThrowingSchema)),
  "a Schema of a stream": Stream.runDrain(client.stream(numbers).pipe(Query.stream(ThrowingSchema))),
  "the consumer of a stream": Stream.runForEach(client.stream(numbers), fail),
  "a map of a stream": Stream.runDrain(Stream.map(client.stream(numbers), fail))
})

/** Operations with values that cannot be encoded, which fail with a typed error whatever their code throws. */
const writesOf = (client: Queries): Operations => ({
  "a codec of a parameter": client.query(sql`select ${Parameter.make(1, throwingType)}`),
  "a property of a parameter": client.query(sql`select ${{ toJSON: fail }}::json`)
})

const copiesOf = (client: Queries, table: string): Operations => {
  const run = <A, E>(effect: Effect.Effect<A, E, Client.Client>) =>
    Effect.provideService(effect, Client.Client, client as Client.Client["Service"])
  const out = `copy (${numbers}) to stdout with (format csv)`
  return {
    "a reader of a COPY": Stream.runDrain(client.copyOutWith(out, throwingReader)),
    "a reader of a COPY at its end": Stream.runDrain(client.copyOutWith(out, throwingAtEnd)),
    "the maker of a reader": Stream.runDrain(client.copyOutWith(out, fail)),
    "the consumer of a COPY": Stream.runForEach(client.copyOut(out), fail),
    "the source of a COPY": client.copyIn(
      `copy ${table} from stdin with (format csv)`,
      Stream.fromEffect(Effect.sync(fail))
    ),
    "an iterable": run(Copy.into(throwingRows(), table)),
    "a writer": run(Copy.into([{ n: 1 }], table, { columns: [{ name: "n", type: throwingType }] })),
    "a Schema of rows": run(Copy.intoSchema([{ n: 1 }], table, ThrowingSchema)),
    "a report of progress": run(
      Copy.into(Array.from({ length: 100 }, (_, n) => ({ n })), table, { messageSize: 64, onProgress: fail })
    )
  }
}

/** Runs each operation: it fails with what was thrown, and the client and concurrent queries continue. */
const checkAll = (
  operations: Operations,
  client: Pick<Queries<unknown>, "values">,
  neighbour: Pick<Queries<unknown>, "values">,
  isExpected: (cause: Cause.Cause<unknown>) => boolean = Cause.hasDies
) =>
  Effect.forEach(Object.entries(operations), ([name, operation]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.timeout(operation, "10 seconds"))
      assert.isTrue(Exit.isFailure(exit) && isExpected(exit.cause), `${name}: ${String(exit)}`)
      for (const each of [client, neighbour]) {
        assert.deepStrictEqual((yield* Effect.orDie(each.values("select 1"))).rows, [[1]], name)
      }
    }), { discard: true })

const isValueError = (cause: Cause.Cause<unknown>) =>
  (Cause.squash(cause) as { readonly _tag?: string })._tag === "ValueError"

/** On Hyper there is no fetch size in the extended protocol. */
const supportedQueriesOf = (client: Queries, kind: "hyper" | "postgres"): Operations => {
  const { "a codec of a stream that fetches": fetching, ...others } = queriesOf(client)
  return kind === "hyper" ? others : { ...others, fetching: fetching! }
}

describeServers({
  both(it) {
    it.effect("fails its own query with what it threw, on a session", () =>
      Effect.gen(function*() {
        const [session, neighbour] = [yield* openSession(), yield* openSession()]
        yield* checkAll(supportedQueriesOf(session, session.server.kind), session, neighbour)
        yield* checkAll(writesOf(session), session, neighbour, isValueError)
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("fails its own query with what it threw, on a pool", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2 })
        const neighbour = yield* openSession()
        yield* checkAll(supportedQueriesOf(pool as never, pool.server.kind), pool, neighbour)
        yield* checkAll(writesOf(pool as never), pool, neighbour, isValueError)
        yield* waitUntil(() => pool.stats().taken === 0)
      }))

    it.effect("fails its own COPY with what it threw, and nothing is copied", () =>
      Effect.gen(function*() {
        const [session, neighbour] = [yield* openSession(), yield* openSession()]
        const table = uniqueName("copied")
        yield* session.query(`create table ${table} (n int)`)
        yield* checkAll(copiesOf(session, table), session, neighbour)
        assert.deepStrictEqual((yield* session.values(`select count(*)::int from ${table}`)).rows, [[0]])
      }))
  },

  postgres(it) {
    it.effect("does not delay queries that were sent after its own", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [failed, ...others] = yield* Effect.all([
          Effect.exit(session.query(reading)),
          session.values("select 1"),
          session.values("select 2")
        ], { concurrency: "unbounded" })
        assert.isTrue(Exit.hasDies(failed))
        assert.deepStrictEqual(others.map(({ rows }) => rows), [[[1]], [[2]]])
      }))

    it.effect("fails its own function call with what it threw", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.values("select 'int4pl(int4, int4)'::regprocedure::oid")
        const oid = rows[0]![0] as number
        const two = Parameter.make(2, BuiltIn.int4)
        yield* checkAll({ result: session.call(oid, [two, two], throwingType) }, session, session)
        yield* checkAll(
          { argument: session.call(oid, [two, Parameter.make(1, throwingType)], BuiltIn.int4) },
          session,
          session,
          isValueError
        )
      }))

    it.effect("fails its own run of a prepared statement with what it threw", () =>
      Effect.gen(function*() {
        const session = yield* Effect.provideService(openSession(), Preset.Preset, throwing)
        const statement = yield* session.prepare(numbers)
        const neighbour = yield* openSession()
        const client = { values: () => session.values(withPreset("select 1", Preset.lossless)) }
        yield* checkAll(
          {
            query: statement.query(),
            values: statement.values(),
            columns: statement.columns(),
            stream: Stream.runDrain(statement.stream())
          },
          client,
          neighbour
        )
      }))

    it.effect("in a hook of a pool fails the acquisition, and the pool survives", () =>
      Effect.gen(function*() {
        let isBroken = false
        const hook = () => (isBroken ? fail() : Effect.void)
        const { pool } = yield* openPool({ max: 1, onAcquire: hook })
        isBroken = true
        const exit = yield* Effect.exit(Effect.timeout(pool.query("select 1"), "10 seconds"))
        assert.isTrue(Exit.hasDies(exit))
        isBroken = false
        assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])

        const { pool: opening } = yield* openPool({ max: 2, onConnect: hook })
        isBroken = true
        const queries = Effect.replicateEffect(opening.values("select 1, pg_sleep(0.05)"), 10, {
          concurrency: "unbounded"
        })
        assert.lengthOf(yield* queries, 10)
        assert.isTrue(Exit.hasDies(yield* Effect.exit(openPool({ onConnect: hook }))))
      }))

    it.effect("in an observer of a fiber ends at most the session that woke it", () =>
      Effect.gen(function*() {
        const [session, neighbour] = [yield* openSession(), yield* openSession()]
        const fiber = yield* Effect.forkChild(session.query("select 1"), { startImmediately: true })
        fiber.addObserver(fail)
        const behind = yield* Effect.exit(session.values("select 1"))
        assert.isTrue(Exit.isSuccess(behind) || Cause.hasFails(behind.cause))
        assert.deepStrictEqual((yield* neighbour.values("select 1")).rows, [[1]])
      }))

    it.effect("in a tracer fails the traced query", () =>
      Effect.gen(function*() {
        const [session, neighbour] = [yield* openSession(), yield* openSession()]
        const ending = Tracer.make({
          span: (options) => Object.assign(new Tracer.NativeSpan(options), { end: fail })
        })
        for (const tracer of [Tracer.make({ span: fail }), ending]) {
          const exit = yield* Effect.exit(Effect.withTracer(session.query("select 1"), tracer))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
        }
        assert.deepStrictEqual((yield* neighbour.values("select 1")).rows, [[1]])
      }))

    it.effect("in the sink of a protocol trace or in a logger ends at most the session that it observes", () =>
      Effect.gen(function*() {
        let isBroken = false
        const traced = ProtocolTrace.layer({ sink: () => isBroken ? fail() : undefined })
        const session = yield* Effect.flatMap(
          Layer.build(traced),
          (services) => Effect.provide(openSession(), services)
        )
        const neighbour = yield* openSession()
        isBroken = true
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.timeout(session.query("select 1"), "10 seconds"))))
        isBroken = false
        assert.deepStrictEqual((yield* neighbour.values("select 1")).rows, [[1]])
        const logged = yield* Effect.exit(
          neighbour.query("select 1").pipe(
            Effect.tap(Effect.log("done")),
            Effect.provide(Logger.layer([Logger.make<unknown, void>(fail)]))
          )
        )
        assert.isTrue(Exit.isFailure(logged) && Cause.hasDies(logged.cause))
        assert.deepStrictEqual((yield* neighbour.values("select 1")).rows, [[1]])
      }))

    it.effect("fails its own query or replication with what it threw, with TLS", () =>
      Effect.gen(function*() {
        const tls = yield* Certificates.selfSigned({ name: "server" })
        const config = {
          ...yield* PostgresServer.make({ tls, databases: ["app"], settings: { wal_level: "logical" } }),
          sslMode: "require"
        } as const
        const [session, neighbour] = [yield* Session.make(config), yield* Session.make(config)]
        assert.isDefined(session.tls)
        yield* checkAll({ ...queriesOf(session), query: session.query(reading) }, session, neighbour)
        yield* session.simple("create table changes (n int); create publication changes for table changes")
        const { changes } = yield* Replication.open(config, {
          slot: "changes",
          temporary: true,
          options: { proto_version: "1", publication_names: "changes" }
        })
        yield* session.query("insert into changes values (1)")
        const consuming = Stream.runForEach(changes, (): Effect.Effect<never> => fail())
        yield* checkAll({ replication: consuming }, session, neighbour)
      }), 60_000)

    it.effect("in a subscriber of a channel ends its own subscription", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const notifications = yield* Notifications.make(config)
        const channel = uniqueName("channel")
        const [broken, other] = [yield* notifications.subscribe(channel), yield* notifications.subscribe(channel)]
        const failing = yield* Effect.forkChild(
          Effect.exit(Stream.runForEach(broken, (): Effect.Effect<never> => fail())),
          {
            startImmediately: true
          }
        )
        const session = yield* openSession()
        yield* Effect.provideService(Notifications.notify(channel, "x"), Client.Client, session)
        assert.isTrue(Exit.hasDies(yield* Fiber.join(failing)))
        assert.lengthOf(yield* Stream.runCollect(Stream.take(other, 1)), 1)
      }))
  }
})
