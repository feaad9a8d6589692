/**
 * Helpers for writing the laws of transports.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Listener from "@hyperfect/transport/Listener"
import * as Transport from "@hyperfect/transport/Transport"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { LawBroken } from "../../LawBroken.ts"

/** @internal */
export type LawError = LawBroken | TransportError.TransportError

/** @internal */
export type LawEffect<A = void> = Effect.Effect<A, LawError, Transport.Transport | Listener.Listener | Scope.Scope>

/** @internal */
export interface EndpointOptions {
  /** An endpoint to listen on, a new one each time, such as port 0 or a file in a new directory. */
  readonly endpoint: Effect.Effect<Endpoint.Endpoint, never, Scope.Scope>
}

/** One end of a connection, with its own scope. @internal */
export interface ScopedConnection<C extends Connection.Connection = Connection.Connection> {
  readonly connection: C
  readonly close: Effect.Effect<void>
}

/** @internal */
export interface ConnectionPair {
  readonly client: ScopedConnection
  readonly server: ScopedConnection<Listener.Accepted>
}

/** @internal */
export const expect = (holds: boolean, detail: string): Effect.Effect<void, LawBroken> =>
  holds ? Effect.void : Effect.fail(new LawBroken({ detail }))

/** Opens one end in a scope that can be closed before the law's. @internal */
export const inOwnScope = <C extends Connection.Connection, E, R>(
  open: Effect.Effect<C, E, R>
): Effect.Effect<ScopedConnection<C>, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const connection = yield* Scope.provide(open, scope)
    return { connection, close: Scope.close(scope, Exit.void) }
  })

/** @internal */
export const listenAt = (place: EndpointOptions): LawEffect<Listener.Listening> =>
  Effect.flatMap(Listener.Listener, (listener) => Effect.flatMap(place.endpoint, listener.listen))

/** @internal */
export const connectTo = (listening: Listener.Listening): LawEffect<ConnectionPair> =>
  Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const connecting = inOwnScope(transport.connect(listening.endpoint))
    const [client, server] = yield* Effect.zip(connecting, inOwnScope(listening.accept), { concurrent: true })
    return { client, server }
  })

/** Makes a law of what holds for a new pair of connections. @internal */
export const overPair =
  (place: EndpointOptions) => (law: (pair: ConnectionPair) => Generator<LawEffect<unknown>, void, never>): LawEffect =>
    Effect.flatMap(Effect.flatMap(listenAt(place), connectTo), Effect.fnUntraced(law))

/** Returns the byte at a position of the stream that the laws send: no two adjacent blocks are alike. */
const patternAt = (position: number): number => (position ^ (position >>> 8) * 31 ^ (position >>> 16) * 131) & 0xff

/** Returns `size` bytes of the stream, starting at `position`. @internal */
export const patternBytes = (position: number, size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = patternAt(position + i)
  return bytes
}

/** True if the first `size` bytes are those of the stream from `position` on. @internal */
export const isPattern = (bytes: Uint8Array, position: number, size: number): boolean => {
  for (let i = 0; i < size; i++) if (bytes[i] !== patternAt(position + i)) return false
  return true
}

/** Checks consecutive chunks of the stream. @internal */
export const makeChecker = () => {
  let position = 0
  return {
    position: () => position,
    check: (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, LawBroken> =>
      Effect.suspend(() => {
        if (!chunks.some((chunk) => chunk.length > 0)) return expect(false, "a pull returned no bytes")
        for (const chunk of chunks) {
          for (let i = 0; i < chunk.length; i++) {
            if (chunk[i] !== patternAt(position + i)) {
              return expect(false, `byte ${position + i} is not the one that was sent`)
            }
          }
          position += chunk.length
        }
        return Effect.void
      })
  }
}

/** Pulls and checks until `size` bytes have been received, and no more. @internal */
export const receive = (
  connection: Connection.Connection,
  size: number,
  checker = makeChecker()
): Effect.Effect<void, LawError> =>
  Effect.whileLoop({
    while: () => checker.position() < size,
    body: () => Effect.flatMap(connection.pull, checker.check),
    step: () => {}
  }).pipe(
    Effect.andThen(Effect.suspend(() =>
      expect(checker.position() === size, `${checker.position()} bytes came where ${size} were sent`)
    ))
  )

/**
 * Sends a part of the stream and receives it; the write may have to wait for the reader, however small it is.
 *
 * @internal
 */
export const transfer = (
  from: ScopedConnection,
  to: ScopedConnection,
  size: number,
  checker = makeChecker()
): Effect.Effect<void, LawError> =>
  Effect.suspend(() => {
    const start = checker.position()
    return Effect.all([
      from.connection.write(patternBytes(start, size)),
      receive(to.connection, start + size, checker)
    ], { concurrency: 2, discard: true })
  })

/** @internal */
export const reasonOf = <A>(
  effect: Effect.Effect<A, TransportError.TransportError>,
  succeeded: string
): Effect.Effect<TransportError.Reason, LawBroken> =>
  effect.pipe(
    Effect.matchEffect({
      onFailure: (error) => Effect.succeed(error.reason),
      onSuccess: () => Effect.fail(new LawBroken({ detail: succeeded }))
    })
  )

/** @internal */
export const expectClosed = <A>(
  effect: Effect.Effect<A, TransportError.TransportError>,
  by: "peer" | "local",
  what: string
): Effect.Effect<void, LawBroken> =>
  Effect.flatMap(reasonOf(effect, `${what} succeeded`), (reason) =>
    expect(
      reason._tag === "Closed" && reason.by === by,
      `${what} failed with ${reason._tag}${reason._tag === "Closed" ? ` by ${reason.by}` : ""}`
    ))

/** Starts an effect and gives it time to suspend. @internal */
export const startSuspended = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  what: string
): Effect.Effect<Fiber.Fiber<A, E>, LawBroken, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* Effect.sleep("20 millis")
    yield* expect(fiber.pollUnsafe() === undefined, `${what} did not suspend`)
    return fiber
  })
