/** Servers that exist only by what they answer to those who want in, and a record of what was tried with them. */
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

export interface Part {
  /** Nobody listens there, or nobody answers. */
  readonly absent?: "down" | "silent" | undefined
  /** What comes on an SSLRequest; `"no"` when absent. */
  readonly tls?: "yes" | "no" | "error" | "garbage" | "hang-up" | "broken" | undefined
  /** The SQLSTATE that refuses a client, by whether it came with TLS. */
  readonly refuse?: ((secured: boolean) => string | undefined) | undefined
  /** Hangs up on the StartupMessage. */
  readonly leave?: boolean | undefined
  /** Gives no key to cancel queries with, as some poolers do. */
  readonly keyless?: boolean | undefined
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** What queries answer; an error when there is nothing for one. */
  readonly answers?: Readonly<Record<string, string>> | undefined
}

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

const errorResponse = (sqlState: string) =>
  ({
    _tag: "ErrorResponse",
    fields: [{ code: "S", value: "FATAL" }, { code: "C", value: sqlState }, { code: "M", value: "go away" }]
  }) as const

/** Answers one client. */
const play = Effect.fnUntraced(function*(part: Part, line: Accepted, note: (event: string) => void) {
  const channel = MessageChannel.server(line)
  let secured = false
  let packet = yield* channel.receive
  if (packet._tag === "SSLRequest") {
    const { tls = "no" } = part
    note(tls === "yes" || tls === "broken" || tls === "hang-up" ? "sslaccept" : tls === "no" ? "sslreject" : tls)
    if (tls === "error") return yield* channel.send(errorResponse("57P03"))
    yield* line.write(text(tls === "no" ? "N" : tls === "garbage" ? "X" : "S"))
    if (tls === "garbage" || tls === "hang-up") return
    if (tls === "broken") {
      // Behind the client's part of the handshake; before it, this would be something in clear behind the S.
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
  if (packet._tag !== "StartupMessage" || part.leave === true) return
  const refused = part.refuse?.(secured)
  note(refused === undefined ? "authok" : "authfail")
  if (refused !== undefined) return yield* channel.send(errorResponse(refused))
  const key = part.keyless === true
    ? []
    : [{ _tag: "BackendKeyData", processId: 1, secretKey: Uint8Array.of(1, 2, 3, 4) } as const]
  const parameters = Object.entries(part.parameters ?? {}).map(([name, value]) =>
    ({ _tag: "ParameterStatus", name, value }) as const
  )
  yield* channel.send({ _tag: "AuthenticationOk" }, ...parameters, ...key, { _tag: "ReadyForQuery", status: "I" })
  while (true) {
    const message = yield* channel.receive
    if (message._tag === "Terminate") return note("bye")
    if (message._tag !== "Query") continue
    note(message.query)
    if (message.query === "wait") continue
    if (message.query === "hang up") return
    const answer = part.answers?.[message.query]
    yield* answer === undefined ? channel.send(errorResponse("42704")) : channel.send(
      { _tag: "RowDescription", fields: [column("x")] },
      { _tag: "DataRow", columns: [text(answer)] },
      { _tag: "CommandComplete", commandTag: "SELECT 1" }
    )
    yield* channel.send({ _tag: "ReadyForQuery", status: "I" })
  }
})

/** What was tried, such as `a: connect`. */
export class Events extends Context.Service<Events, { readonly all: Array<string> }>()("test/Events") {}

const refused = (endpoint: Endpoint.Endpoint) =>
  TransportError.fromReason(
    new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ECONNREFUSED" })
  )

const unknown = (endpoint: Endpoint.Endpoint) =>
  TransportError.fromReason(
    new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ENOTFOUND" })
  )

const nameOf = (endpoint: Endpoint.Endpoint): string =>
  endpoint._tag === "Tcp" ? endpoint.address ?? endpoint.host : "socket"

/**
 * A transport to servers by their hosts' names, `socket` for every Unix socket. A name may stand for several, in place of
 * addresses, or for none.
 */
export const scene = (
  parts: Readonly<Record<string, Part>>,
  names: Readonly<Record<string, ReadonlyArray<string>>> = {}
) =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const inner = yield* Transport.Transport
      const events = yield* Events
      return Transport.Transport.of({
        addresses: (endpoint) => {
          const named = endpoint._tag === "Tcp" && endpoint.address === undefined ? names[endpoint.host] : undefined
          const found = named?.map((address) => ({ ...endpoint, address }) as Endpoint.Endpoint)
          if (found === undefined) return Effect.succeed([endpoint])
          return isArrayNonEmpty(found) ? Effect.succeed(found) : Effect.fail(unknown(endpoint))
        },
        connect: (endpoint, options) =>
          Effect.suspend(() => {
            const first = endpoint._tag === "Tcp" && endpoint.address === undefined
              ? names[endpoint.host]?.[0]
              : undefined
            const place = first === undefined ? endpoint : { ...endpoint, address: first } as Endpoint.Endpoint
            const name = nameOf(place)
            events.all.push(`${name}: connect`)
            const { absent } = parts[name] ?? { absent: "down" }
            if (absent === "silent") return Effect.never
            if (absent === "down") return Effect.fail(refused(place))
            return Effect.map(inner.connect(place, options), (line) => ({ ...line, address: first }))
          })
      })
    })
  ).pipe(
    Layer.provide(Layer.unwrap(
      Effect.map(Events, (events) =>
        InMemory.layer((line, endpoint) => {
          const name = nameOf(endpoint)
          return Effect.ignore(play(parts[name]!, line, (event) => void events.all.push(`${name}: ${event}`)))
        }))
    )),
    Layer.provideMerge(Layer.sync(Events, () => Events.of({ all: [] }))),
    Layer.provideMerge(Authenticate.layerCrypto)
  )

/** Opens a session, and closes it. */
export const visit = (config: Parameters<typeof Session.make>[0]) => Effect.scoped(Session.make(config))
