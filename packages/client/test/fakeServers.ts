/** Fake servers, defined only by their answers during startup and to queries, and a log of the connection attempts. */
import { Authenticate } from "@hyperfect/auth"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import type { Accepted } from "@hyperfect/transport/Listener"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Transport from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { Context, Effect, Layer, Redacted } from "effect"
import { isArrayNonEmpty } from "effect/Array"

export interface FakeServer {
  /** Refuses connections (`down`), or never completes them (`silent`). */
  readonly unreachable?: "down" | "silent" | undefined
  /** The answer to an SSLRequest; `"no"` if absent. */
  readonly tls?: "yes" | "no" | "error" | "garbage" | "hang-up" | "broken" | undefined
  /** The SQLSTATE with which a client is refused, depending on whether it uses TLS. */
  readonly rejectWith?: ((secured: boolean) => string | undefined) | undefined
  /** The error message of the refusal. */
  readonly rejectText?: string | undefined
  /** Disconnects after the StartupMessage. */
  readonly disconnectOnStartup?: boolean | undefined
  /** Sends no key to cancel queries with, as some poolers do. */
  readonly noCancelKey?: boolean | undefined
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** The values that queries return. A query without one gets an error. */
  readonly answers?: Readonly<Record<string, string>> | undefined
  /** The SQLSTATEs with which queries fail, without ending the session. */
  failWith?: Readonly<Record<string, string>> | undefined
  /** Settings that are reported with the end of each answer, if they have changed. */
  reports?: Readonly<Record<string, string>> | undefined
}

const command = /^(?:BEGIN|COMMIT|ROLLBACK|SET|CLOSE)/

const statusAfter: Readonly<Record<string, "I" | "T">> = { BEGIN: "T", COMMIT: "I", ROLLBACK: "I" }

const certificate = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"

const text = (value: string) => new TextEncoder().encode(value)

const column = (name: string) => ({
  name,
  tableOid: 0,
  columnNumber: 0,
  typeOid: 25,
  typeSize: -1,
  typeModifier: -1,
  format: 0
})

const errorResponse = (sqlState: string, text = "go away", severity = "FATAL") =>
  ({
    _tag: "ErrorResponse",
    fields: [{ code: "S", value: severity }, { code: "C", value: sqlState }, { code: "M", value: text }]
  }) as const

/** Serves one client. */
const serve = Effect.fnUntraced(function*(server: FakeServer, line: Accepted, note: (event: string) => void) {
  const channel = MessageChannel.server(line)
  let secured = false
  let packet = yield* channel.receive
  if (packet._tag === "SSLRequest") {
    const { tls = "no" } = server
    note(tls === "yes" || tls === "broken" || tls === "hang-up" ? "sslaccept" : tls === "no" ? "sslreject" : tls)
    if (tls === "error") return yield* channel.send(errorResponse("57P03"))
    yield* line.write(text(tls === "no" ? "N" : tls === "garbage" ? "X" : "S"))
    if (tls === "garbage" || tls === "hang-up") return
    if (tls === "broken") {
      // After the client's part of the handshake: before it, these bytes would be plain text behind the S.
      yield* line.pull
      return yield* line.write(text("this is no handshake"))
    }
    if (tls === "yes") {
      yield* line.acceptTls({ certificate, key: Redacted.make("") })
      secured = true
    }
    packet = yield* channel.receive
  }
  if (packet._tag === "CancelRequest") return note(secured ? "cancel with TLS" : "cancel in clear")
  if (packet._tag !== "StartupMessage" || server.disconnectOnStartup === true) return
  const connectionRefused = server.rejectWith?.(secured)
  note(connectionRefused === undefined ? "authok" : "authfail")
  if (connectionRefused !== undefined) return yield* channel.send(errorResponse(connectionRefused, server.rejectText))
  const key = server.noCancelKey === true
    ? []
    : [{ _tag: "BackendKeyData", processId: 1, secretKey: Uint8Array.of(1, 2, 3, 4) } as const]
  const parameters = Object.entries(server.parameters ?? {}).map(([name, value]) =>
    ({ _tag: "ParameterStatus", name, value }) as const
  )
  yield* channel.send({ _tag: "AuthenticationOk" }, ...parameters, ...key, { _tag: "ReadyForQuery", status: "I" })
  let status: "I" | "T" | "E" = "I"
  const reported = new Map(Object.entries(server.parameters ?? {}))
  while (true) {
    const message = yield* channel.receive
    if (message._tag === "Terminate") return note("bye")
    if (message._tag !== "Query") continue
    note(message.query)
    if (message.query === "wait") continue
    if (message.query === "hang up") return
    const answer = server.answers?.[message.query]
    const failure = server.failWith?.[message.query]
    const [word] = command.exec(message.query) ?? []
    if (failure !== undefined) {
      if (status === "T") status = "E"
      yield* channel.send(errorResponse(failure, "not here", "ERROR"))
    } else if (word !== undefined) {
      status = statusAfter[word] ?? status
      // The commands of a reset.
      yield* channel.send({ _tag: "CommandComplete", commandTag: word === "CLOSE" ? "RESET" : word })
    } else if (answer === undefined) {
      yield* channel.send(errorResponse("42704"))
    } else {
      yield* channel.send(
        { _tag: "RowDescription", fields: [column("x")] },
        { _tag: "DataRow", columns: [text(answer)] },
        { _tag: "CommandComplete", commandTag: "SELECT 1" }
      )
    }
    for (const [name, value] of Object.entries(server.reports ?? {})) {
      if (reported.get(name) === value) continue
      reported.set(name, value)
      yield* channel.send({ _tag: "ParameterStatus", name, value })
    }
    yield* channel.send({ _tag: "ReadyForQuery", status })
  }
})

/** The log of events, such as `a: connect`. */
export class EventLog extends Context.Service<EventLog, { readonly all: Array<string> }>()("test/Events") {}

const connectionRefused = (endpoint: Endpoint.Endpoint) =>
  TransportError.fromReason(
    new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ECONNREFUSED" })
  )

const hostNotFound = (endpoint: Endpoint.Endpoint) =>
  TransportError.fromReason(
    new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ENOTFOUND" })
  )

const serverName = (endpoint: Endpoint.Endpoint): string =>
  endpoint._tag === "Tcp" ? endpoint.address ?? endpoint.host : "socket"

/**
 * A transport to fake servers by host name; `socket` stands for every Unix socket. `addressesByHost` lists the
 * addresses of a name: several, or none.
 */
export const fakeServers = (
  servers: Readonly<Record<string, FakeServer>>,
  addressesByHost: Readonly<Record<string, ReadonlyArray<string>>> = {}
) =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const inner = yield* Transport.Transport
      const events = yield* EventLog
      return Transport.Transport.of({
        addresses: (endpoint) => {
          const named = endpoint._tag === "Tcp" && endpoint.address === undefined
            ? addressesByHost[endpoint.host]
            : undefined
          const found = named?.map((address) => ({ ...endpoint, address }) as Endpoint.Endpoint)
          if (found === undefined) return Effect.succeed([endpoint])
          return isArrayNonEmpty(found) ? Effect.succeed(found) : Effect.fail(hostNotFound(endpoint))
        },
        connect: (endpoint, options) =>
          Effect.suspend(() => {
            const first = endpoint._tag === "Tcp" && endpoint.address === undefined
              ? addressesByHost[endpoint.host]?.[0]
              : undefined
            const place = first === undefined ? endpoint : { ...endpoint, address: first } as Endpoint.Endpoint
            const name = serverName(place)
            events.all.push(`${name}: connect`)
            const { unreachable } = servers[name] ?? { unreachable: "down" }
            if (unreachable === "silent") return Effect.never
            if (unreachable === "down") return Effect.fail(connectionRefused(place))
            return Effect.map(inner.connect(place, options), (line) => ({ ...line, address: first }))
          })
      })
    })
  ).pipe(
    Layer.provide(Layer.unwrap(
      Effect.map(EventLog, (events) =>
        InMemory.layer((line, endpoint) => {
          const name = serverName(endpoint)
          return Effect.ignore(serve(servers[name]!, line, (event) => void events.all.push(`${name}: ${event}`)))
        }))
    )),
    Layer.provideMerge(Layer.sync(EventLog, () => EventLog.of({ all: [] }))),
    Layer.provideMerge(Authenticate.layerCrypto)
  )

/** Opens a session and closes it. */
export const openAndClose = (config: Parameters<typeof Session.make>[0]) => Effect.scoped(Session.make(config))
