/**
 * Queries of Hyper over gRPC: results as Arrow IPC streams.
 *
 * A server offers the service `salesforce.hyperdb.grpc.v1.HyperService` on an endpoint `tcp.grpc://host:port` if it is
 * started with the option `grpc_threads`. Its setting `grpc_service_roles` names the user whose databases a caller may
 * open (H-65): there is no login, and no encryption. Keep the endpoint on the loopback interface, or behind a proxy that has
 * both.
 *
 * The service runs statements that write as well, but has no transactions: use it for queries.
 *
 * This module is for servers that can only be reached in this way. Everything else, such as parameters, COPY,
 * transactions and timely cancellation, is done over the PostgreSQL protocol; there, `HyperArrow.stream` returns the
 * same results.
 *
 * @since 0.1.0
 */
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js"
import { isStatement, type Statement } from "@hyperfect/client/Statement"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { GrpcError } from "./GrpcError.ts"
import * as Protobuf from "./internal/protobuf.ts"

/**
 * Options of the connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The host and port of the server. */
  readonly endpoint: Endpoint.Endpoint
  /** The databases to attach for each query: their paths on the server, keyed by the names they are attached as. */
  readonly databases?: Readonly<Record<string, string>> | undefined
  /** Settings for each query, such as `{ timezone: "UTC" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /**
   * - `"sync"`, the default: the whole result in one call, which the server ends after 100 seconds.
   * - `"async"`: for longer queries and slow consumers. The server, which needs the setting `grpc_persist_results` for
   *   it, keeps the result, and it is fetched in chunks while it is being produced.
   */
  readonly transferMode?: "sync" | "async" | undefined
  /** The size of the largest accepted message, in bytes; 64 MiB when absent. */
  readonly maxMessageSize?: number | undefined
}

/**
 * Queries over gRPC.
 *
 * **Example** (A table in place of rows)
 *
 * ```ts
 * import { HyperGrpc } from "@hyperfect/grpc"
 * import { Endpoint } from "@hyperfect/transport"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const hyper = yield* HyperGrpc.HyperGrpc
 *   return yield* hyper.collect(`select origin, count(*) as flights from "flights"."public"."flights" group by origin`)
 * })
 *
 * export const main = Effect.provide(
 *   program,
 *   HyperGrpc.layer({ endpoint: Endpoint.tcp("127.0.0.1", 7484), databases: { flights: "/data/flights.hyper" } })
 * )
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class HyperGrpc extends Context.Service<HyperGrpc, {
  /**
   * Streams the result of a query as one Arrow IPC stream, in the parts in which the server sends it. It is complete
   * only when the stream has ended. Leaving it earlier cancels the query, which cannot have parameters.
   */
  readonly stream: (query: string | Statement) => Stream.Stream<Uint8Array, GrpcError>
  /** Returns the result of a query as one complete Arrow IPC stream. */
  readonly collect: (query: string | Statement) => Effect.Effect<Uint8Array, GrpcError>
}>()("@hyperfect/grpc/HyperGrpc") {}

const service = "/salesforce.hyperdb.grpc.v1.HyperService"

// The numbers of fields and values are those of Salesforce's hyper_service.proto, in forcedotcom/datacloud-jdbc.
const arrowIpc = 5
const transferModes = { async: 1, sync: 2 } as const
const finished = 2
/** ExecuteQueryResponse.query_result.binary_part.data, and the same of a QueryResult. */
const executedData = [7, 1, 127]
const fetchedData = [1, 127]
/** ExecuteQueryResponse.query_info.query_status.query_id */
const executedId = [6, 1, 1]
/** QueryInfo.query_status, and its fields completion_status and chunk_count. */
const queryStatus = [1]
const completionStatus = 2
const chunkCount = 3
/** Status.details[].value of the richer error model, and the SQLSTATE in it. */
const sqlState = [3, 2, 2]

const isServiceError = (thrown: unknown): thrown is ServiceError =>
  hasProperty(thrown, "code") && typeof thrown.code === "number" && hasProperty(thrown, "metadata")

const toError = (thrown: unknown): GrpcError => {
  if (!isServiceError(thrown)) {
    return new GrpcError({ status: "INTERNAL", sqlState: undefined, text: String(thrown) })
  }
  const [details] = thrown.metadata.get("grpc-status-details-bin")
  let code: string | undefined
  try {
    code = details instanceof Uint8Array ? Protobuf.readText(details, sqlState) : undefined
  } catch {
    // A proxy may send details of its own.
  }
  return new GrpcError({ status: status[thrown.code] ?? String(thrown.code), sqlState: code, text: thrown.details })
}

const invalid = (text: string) => new GrpcError({ status: "INVALID_ARGUMENT", sqlState: undefined, text })

const pairs = (record: Readonly<Record<string, string>> = {}, number: number, isNameFirst: boolean) =>
  Object.entries(record).map(([name, value]): Protobuf.Field => [
    number,
    isNameFirst ? [[1, name], [2, value]] : [[1, value], [2, name]]
  ])

/**
 * Makes a client for the scope. It connects with the first query, and again whenever the connection was lost.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  HyperGrpc["Service"],
  GrpcError,
  Scope.Scope
> {
  const { databases, endpoint, maxMessageSize = 64 * 1024 * 1024, settings, transferMode = "sync" } = options
  if (endpoint._tag !== "Tcp") return yield* invalid("gRPC is served on a port only")
  const client = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new Client(Endpoint.format(endpoint), credentials.createInsecure(), {
        "grpc.max_receive_message_length": maxMessageSize
      })
    ),
    (made) => Effect.sync(() => made.close())
  )
  /** Streams what is read from each message of the answer to a call. */
  const call = <A>(
    method: string,
    fields: ReadonlyArray<Protobuf.Field>,
    read: (message: Uint8Array) => A,
    queryId?: string
  ): Stream.Stream<A, GrpcError> =>
    Stream.suspend(() => {
      const metadata = new Metadata()
      if (queryId !== undefined) metadata.set("x-hyperdb-query-id", queryId)
      const answer = client.makeServerStreamRequest(
        `${service}/${method}`,
        (message: ReadonlyArray<Protobuf.Field>) => Buffer.from(Protobuf.encode(message)),
        read,
        fields,
        metadata
      )
      // Cancelling emits an error, which would end the process without a listener.
      answer.on("error", () => {})
      return Stream.fromAsyncIterable(answer as AsyncIterable<A>, toError).pipe(
        Stream.ensuring(Effect.sync(() => answer.cancel()))
      )
    })

  const execute = <A>(text: string, read: (message: Uint8Array) => A) =>
    call("ExecuteQuery", [
      [1, text],
      ...pairs(databases, 2, false),
      [3, arrowIpc],
      ...pairs(settings, 4, true),
      [5, transferModes[transferMode]]
    ], read)

  /** Waits for a chunk of a result. Returns false if there is none. */
  const awaitChunk = (id: string, chunk: number, delay = 5): Effect.Effect<boolean, GrpcError> =>
    call("GetQueryInfo", [[1, id]], (message) => {
      const [found = new Uint8Array()] = Protobuf.read(message, queryStatus)
      return {
        count: Protobuf.readNumber(found, chunkCount),
        isFinished: Protobuf.readNumber(found, completionStatus) === finished
      }
    }, id).pipe(
      Stream.runLast,
      Effect.flatMap((last) => {
        if (last._tag === "Some" && last.value.count > chunk) return Effect.succeed(true)
        if (last._tag === "Some" && last.value.isFinished) return Effect.succeed(false)
        return Effect.delay(awaitChunk(id, chunk, Math.min(delay * 2, 1000)), delay)
      })
    )

  const fetched = (text: string): Stream.Stream<Uint8Array, GrpcError> =>
    Stream.unwrap(Effect.gen(function*() {
      const answer = yield* Stream.runCollect(execute(text, (message) => ({
        id: Protobuf.readText(message, executedId),
        schema: Protobuf.read(message, executedData)
      })))
      const id = answer.find((message) => message.id !== undefined)?.id ?? ""
      let isComplete = false
      const chunks = Stream.unfold(0, (chunk: number) =>
        Effect.map(awaitChunk(id, chunk), (exists) => {
          isComplete = !exists
          return exists ? [chunk, chunk + 1] as const : undefined
        }))
      const result = Stream.flatMap(chunks, (chunk) =>
        call("GetQueryResult", [[1, id], [2, arrowIpc], [3, chunk], [4, 1]], (message) =>
          Protobuf.read(message, fetchedData), id))
      return Stream.concat(
        Stream.fromIterable(answer.map(({ schema }) =>
          schema
        )),
        result
      ).pipe(
        Stream.ensuring(Effect.suspend(() =>
          isComplete ? Effect.void : Effect.ignore(Stream.runDrain(call("CancelQuery", [[1, id]], () =>
            id, id)))
        )),
        Stream.flatMap((parts) =>
          Stream.fromIterable(parts)
        )
      )
    }))

  const stream = (query: string | Statement): Stream.Stream<Uint8Array, GrpcError> => {
    if (isStatement(query) && query.parameters.length > 0) return Stream.fail(invalid("the query has parameters"))
    const text = isStatement(query) ? query.text : query
    if (transferMode === "async") return fetched(text)
    return Stream.flatMap(
      execute(text, (message) => Protobuf.read(message, executedData)),
      (parts) => Stream.fromIterable(parts)
    )
  }

  return HyperGrpc.of({ stream, collect: (query) => Effect.map(Stream.runCollect(stream(query)), Bytes.concat) })
})

/**
 * Provides a client of the service.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<HyperGrpc, GrpcError> => Layer.effect(HyperGrpc, make(options))
