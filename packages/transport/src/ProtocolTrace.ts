/**
 * A live protocol trace: prints every message of every connection while a program runs.
 *
 * It wraps any transport, so it shows the messages of any client in both directions, also under TLS. The format is that
 * of `Trace` of `@hyperfect/protocol`: secrets, parameters and rows are hidden by default; the text of statements is
 * shown.
 *
 * @since 0.1.0
 */
import * as Trace from "@hyperfect/protocol/Trace"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Severity } from "effect/LogLevel"
import * as Endpoint from "./Endpoint.ts"
import * as Sniffer from "./Sniffer.ts"
import { Transport } from "./Transport.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * One traced event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** The number of the connection, counted from 1 in the order in which they were opened. */
  readonly connection: number
  /** The remote address, such as `127.0.0.1:5432`. */
  readonly endpoint: string
  /**
   * The trace text, such as `F\t13\tQuery\t "select 1"`; text about events other than messages begins with a hyphen.
   */
  readonly text: string
}

/**
 * Options of a trace.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Replaces bytes and secrets by their size. Defaults to true. */
  readonly redact?: boolean | undefined
  /** Receives the entries synchronously. Defaults to the logger. */
  readonly sink?: ((entry: Entry) => void) | undefined
  /** The log level of the entries. Defaults to `"Info"`. */
  readonly level?: Severity | undefined
}

const textOf = (event: Sniffer.Event, options: Options): string => {
  switch (event._tag) {
    case "Sent":
      return Trace.formatLine("frontend", event.message, options)
    case "Received":
      return Trace.formatLine("backend", event.message, options)
    case "Answered":
      return `- answered ${JSON.stringify(event.answer)}`
    case "Secured":
      return `- secured by ${event.protocol}, ${event.cipher}`
    case "Unreadable":
      return `- what the ${event.by} says is not readable`
    case "Closed":
      return `- closed by the ${event.by}${event.code === undefined ? "" : `: ${event.code}`}`
  }
}

/**
 * Traces every connection of the transport below.
 *
 * **Example** (Collect a trace in an array)
 *
 * ```ts
 * import { Endpoint, InMemory, MessageChannel, ProtocolTrace, Transport } from "@hyperfect/transport"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const seen: Array<string> = []
 * const Traced = ProtocolTrace.layer({ sink: ({ connection, text }) => void seen.push(`${connection} ${text}`) }).pipe(
 *   Layer.provide(InMemory.layer((connection) => Effect.ignore(MessageChannel.server(connection).receive)))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const transport = yield* Transport.Transport
 *   const channel = MessageChannel.client(yield* transport.connect(Endpoint.tcp("db", 5432)))
 *   yield* channel.send({ _tag: "StartupMessage", protocolVersion: 0x30000, parameters: [] })
 * }).pipe(Effect.scoped, Effect.provide(Traced))
 *
 * await Effect.runPromise(program)
 * assert.deepEqual(seen, ["1 - opened", "1 F\t9\tStartupMessage\t 196608 \\x00", "1 - closed by the client"])
 * ```
 *
 * **Example** (Log the trace of a program)
 *
 * ```ts
 * import { NodePlatform } from "@hyperfect/node"
 * import { ProtocolTrace } from "@hyperfect/transport"
 * import { Layer } from "effect"
 *
 * const Live = Layer.provideMerge(ProtocolTrace.layer(), NodePlatform.layer) // instead of NodePlatform.layer
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Transport, never, Transport> =>
  Layer.effect(
    Transport,
    Effect.gen(function*() {
      const transport = yield* Transport
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const sink = options.sink ?? (({ connection, endpoint, text }: Entry) => {
        run(Effect.annotateLogs(Effect.logWithLevel(options.level ?? "Info")(text), { connection, endpoint }))
      })
      let count = 0
      return Transport.of({
        ...transport,
        connect: (to, connectOptions) =>
          Effect.suspend(() => {
            const connection = ++count
            const endpoint = Endpoint.format(to)
            const write = (text: string) => sink({ connection, endpoint, text })
            return transport.connect(to, connectOptions).pipe(
              Effect.tapError((error: TransportError) =>
                Effect.sync(() => write(`- not opened: ${error.reason._tag}`))
              ),
              Effect.tap(() => Effect.sync(() => write("- opened"))),
              Effect.flatMap((line) => Sniffer.sniff(line, (event) => write(textOf(event, options))))
            )
          })
      })
    })
  )
