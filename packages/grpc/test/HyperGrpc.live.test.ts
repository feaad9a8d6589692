import { assert, describe, it, layer } from "@effect/vitest"
import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js"
import * as Client from "@hyperfect/client/Client"
import { sql } from "@hyperfect/client/Statement"
import * as HyperGrpc from "@hyperfect/grpc/HyperGrpc"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { tableFromIPC } from "apache-arrow"
import { Effect, Layer, Stream } from "effect"
import { join } from "node:path"
import { freePort } from "../../testing/test/ports.ts"

const serve = Effect.fnUntraced(function*(user: string) {
  // Hyper reports only the port of its first endpoint.
  const port = yield* freePort
  const roles = JSON.stringify({ default: { user, authorizations: [] } })
  const server = yield* HyperdServer.make({
    authentication: "trust",
    arguments: [
      `--listen-connection=tab.tcp://127.0.0.1:0,tcp.grpc://127.0.0.1:${port}`,
      "--grpc-threads=2",
      "--grpc-persist-results=true",
      `--grpc-service-roles=${roles}`
    ]
  })
  return { server, endpoint: Endpoint.tcp("127.0.0.1", port) }
})

const database = "numbers.hyper"

const Live = Layer.unwrap(Effect.gen(function*() {
  const { endpoint, server } = yield* serve("tableau_internal_user")
  const path = join(server.workingDirectory, database)
  yield* Effect.flatMap(
    Client.Client,
    (client) => client.simple("create table t as (select n, n || ' text' as s from generate_series(1, 300000) as g(n))")
  ).pipe(
    Hyper.withDatabase({ database, create: "replace" }),
    Effect.provideService(Hyperd, server)
  )
  return Layer.merge(
    Layer.succeed(Hyperd, server),
    HyperGrpc.layer({ endpoint, databases: { numbers: path }, settings: { date_style: "DMY" } })
  )
})).pipe(Layer.provideMerge(NodePlatform.layer))

layer(Live, { excludeTestServices: true, timeout: "60 seconds" })("HyperGrpc", (it) => {
  it.effect("returns the same rows as a query by the protocol of PostgreSQL", () =>
    Effect.gen(function*() {
      const grpc = yield* HyperGrpc.HyperGrpc
      const query = sql`select n, s, cast('02.03.2026' as date) as d from t order by n`
      const found = tableFromIPC(yield* grpc.collect(query))
      const wanted = tableFromIPC(
        yield* HyperArrow.collect(sql`select n, s, date '2026-03-02' as d from t order by n`).pipe(
          Hyper.withDatabase({ database })
        )
      )
      assert.strictEqual(found.numRows, 300_000)
      for (const name of ["n", "s", "d"]) {
        assert.deepStrictEqual(found.getChild(name)!.toArray(), wanted.getChild(name)!.toArray(), name)
      }
    }))

  it.effect("streams a large result in parts, and an empty one as a schema", () =>
    Effect.gen(function*() {
      const grpc = yield* HyperGrpc.HyperGrpc
      const parts = yield* Stream.runCollect(grpc.stream(`select n, s from "numbers"."public"."t"`))
      assert.isAbove(parts.length, 1)
      const empty = tableFromIPC(yield* grpc.collect("select n from t where n < 0"))
      assert.deepStrictEqual([empty.numRows, empty.schema.fields.map(({ name }) => name)], [0, ["n"]])
    }))

  it.effect("fetches a result in chunks while it is produced, and cancels what is left early", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* serve("tableau_internal_user")
      const grpc = yield* HyperGrpc.make({ endpoint, transferMode: "async" })
      const numbers = "select n, n * 2 as double from generate_series(1, 7000000) as g(n)"
      const found = tableFromIPC(yield* grpc.collect(numbers))
      assert.strictEqual(found.numRows, 7_000_000)
      const seen = new Uint8Array(7_000_001)
      for (const n of found.getChild("n")!.toArray() as Iterable<number | bigint>) seen[Number(n)]!++
      assert.strictEqual(seen.indexOf(0, 1), -1)
      const empty = tableFromIPC(yield* grpc.collect("select n from generate_series(1, 9) as g(n) where n < 0"))
      assert.deepStrictEqual([empty.numRows, empty.schema.fields.map(({ name }) => name)], [0, ["n"]])
      const slow = "select count(*) as n from generate_series(1, 300000000) as g(n)"
      assert.strictEqual(tableFromIPC(yield* grpc.collect(slow)).numRows, 1)
      const endless = "select count(*) from generate_series(1, 100000000000) as g(n)"
      assert.strictEqual((yield* Effect.timeoutOption(grpc.collect(endless), "200 millis"))._tag, "None")
      const errors = [["select nope", "42703"], [
        "select 100 / (n - 250000) as q from generate_series(1, 300000) g(n)",
        "22012"
      ]]
      for (const [query = "", code] of errors) {
        assert.strictEqual((yield* Effect.flip(grpc.collect(query))).sqlState, code)
      }
    }))

  it.effect("cancels the query when its consumer leaves, and remains usable", () =>
    Effect.gen(function*() {
      const grpc = yield* HyperGrpc.HyperGrpc
      const endless = "select n from generate_series(1, 100000000000) as g(n)"
      assert.lengthOf(yield* Stream.runCollect(Stream.take(grpc.stream(endless), 1)), 1)
      const slow = "select count(*) from generate_series(1, 100000000000) as g(n)"
      assert.strictEqual((yield* Effect.timeoutOption(grpc.collect(slow), "200 millis"))._tag, "None")
      assert.strictEqual(tableFromIPC(yield* grpc.collect("select 1 as a")).numRows, 1)
    }))

  it.effect("fails with the SQLSTATE of the server, before or amid rows", () =>
    Effect.gen(function*() {
      const grpc = yield* HyperGrpc.HyperGrpc
      const errorOf = (query: Parameters<typeof grpc.collect>[0]) =>
        Effect.map(
          Effect.flip(grpc.collect(query)),
          ({ isRetryable, sqlState, status }) => [status, sqlState, isRetryable]
        )
      assert.deepStrictEqual(yield* errorOf("select nope from t"), ["INVALID_ARGUMENT", "42703", false])
      assert.strictEqual((yield* errorOf("select 100 / (n - 250000) as q from t"))[1], "22012")
      assert.deepStrictEqual(yield* errorOf(sql`select ${1}`), ["INVALID_ARGUMENT", undefined, false])
    }))

  it.effect("H-65: fails without a server, without the right to a database, and on a socket", () =>
    Effect.gen(function*() {
      const failure = (options: HyperGrpc.Options) =>
        Effect.flip(Effect.flatMap(HyperGrpc.make(options), (grpc) => grpc.collect("select 1 as a")))
      const nowhere = yield* failure({ endpoint: Endpoint.tcp("127.0.0.1", 1) })
      assert.deepStrictEqual([nowhere.status, nowhere.isRetryable], ["UNAVAILABLE", true])
      assert.strictEqual((yield* failure({ endpoint: Endpoint.unix("/tmp/none") })).status, "INVALID_ARGUMENT")
      const { endpoint } = yield* serve("")
      const large = yield* failure({ endpoint, maxMessageSize: 16 })
      assert.deepStrictEqual([large.status, large.isRetryable], ["RESOURCE_EXHAUSTED", false])
      const { workingDirectory } = yield* Hyperd
      const denied = yield* failure({ endpoint, databases: { numbers: join(workingDirectory, database) } })
      assert.deepStrictEqual([denied.status, denied.sqlState], ["PERMISSION_DENIED", "42501"])
    }))
})

describe("HyperGrpc > a server that is not Hyper", () => {
  const answers: ReadonlyArray<readonly [name: string, answer: ReadonlyArray<number>]> = [
    ["a field that is longer than its message", [0x3a, 5, 1]],
    ["a message that ends inside a field", [0x3a]],
    ["a field of an unknown kind", [0x3b, 0]],
    ["a malformed message inside another", [0x3a, 2, 0x0a, 9]]
  ]
  it.live.each(answers)("fails on %s", ([, answer]) =>
    Effect.gen(function*() {
      const server = new Server()
      server.register(
        "/salesforce.hyperdb.grpc.v1.HyperService/ExecuteQuery",
        (call: ServerWritableStream<Buffer, Buffer>) => {
          call.write(Buffer.from(answer))
          call.end()
        },
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        "serverStream"
      )
      const port = yield* Effect.callback<number, Error>((resume) =>
        server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
          resume(error === null ? Effect.succeed(port) : Effect.fail(error)))
      )
      yield* Effect.addFinalizer(() =>
        Effect.sync(() =>
          server.forceShutdown()
        )
      )
      const grpc = yield* HyperGrpc.make({ endpoint: Endpoint.tcp("127.0.0.1", port) })
      const error = yield* Effect.flip(grpc.collect("select 1"))
      assert.strictEqual(error.status, "INTERNAL")
      assert.isFalse(error.isRetryable)
    }))
})
