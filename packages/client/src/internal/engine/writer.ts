/**
 * Writes the exchanges of a queue: those of one tick together, one write at a time.
 *
 * While an exchange is still writing, such as the data of a COPY, later exchanges wait until it has finished.
 *
 * @internal
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import type { Connection } from "@hyperfect/transport/Connection"
import * as FastPath from "@hyperfect/transport/FastPath"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Failure } from "../../QueryError.ts"
import { finalReadDelay } from "../session/timing.ts"
import { type Exchange, fromThrown } from "./exchange.ts"
import { type ExchangeQueue, readFailure } from "./queue.ts"

/** Callbacks chained to it run at the end of the current tick. */
const endOfTick = Promise.resolve()

/** @internal */
export interface WriterOptions {
  readonly connection: Connection
  /**
   * Runs an effect that must not be interrupted, starting in the calling step: half a message would break the session.
   */
  readonly detach: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

/** @internal */
export class Writer {
  private readonly queue: ExchangeQueue
  private readonly options: WriterOptions
  private readonly send: FastPath.Send
  private readonly out = ByteWriter.make()
  private isScheduled = false
  private isSending = false
  private isHeld = false
  /** The exchange that still has to write after its frames. */
  private blocker: Exchange | undefined

  constructor(queue: ExchangeQueue, options: WriterOptions) {
    this.queue = queue
    this.options = options
    this.send = FastPath.sender(options.connection)
  }

  /** True if submitted exchanges have to wait. */
  private get isBlocked(): boolean {
    return this.isSending || this.isHeld || this.blocker !== undefined
  }

  /** Writes the pending exchanges at the end of this tick. */
  schedule(): void {
    if (this.isScheduled || this.isBlocked) return
    this.isScheduled = true
    void endOfTick.then(this.onEndOfTick)
  }

  /** Writes no exchange until {@link release}. */
  hold(): void {
    this.isHeld = true
  }

  release(): void {
    this.isHeld = false
    this.schedule()
  }

  /** True if an exchange has yet to write its last bytes, such as the end of a COPY. */
  isWriting(exchange: Exchange): boolean {
    return exchange === this.blocker
  }

  /** Allows other exchanges to be written behind this one. */
  unblock(exchange: Exchange): void {
    if (exchange !== this.blocker) return
    this.blocker = undefined
    this.schedule()
  }

  private readonly onEndOfTick = (): void => {
    this.isScheduled = false
    this.flush()
  }

  private flush(): void {
    try {
      this.writePending()
    } catch (cause) {
      this.queue.close(TransportError.fromReason(new TransportError.WriteFailed({ cause })))
    }
  }

  private writePending(): void {
    const { out, queue } = this
    if (this.isBlocked || queue.closeReason !== undefined) return
    const pending = queue.takePending()
    for (let i = 0; i < pending.length; i++) {
      const exchange = pending[i]!
      // A caller that was notified of an error may have closed the session meanwhile, or withdrawn the exchange.
      if (queue.isOver(exchange)) continue
      const mark = out.position
      try {
        exchange.writeFrames!(out)
        queue.onWritten(exchange)
        if (exchange.blocksPipeline) {
          this.blocker = exchange
          queue.addFirst(pending.slice(i + 1))
          break
        }
      } catch (thrown) {
        out.rewind(mark)
        queue.reject(exchange, fromThrown(thrown))
      }
    }
    if (out.size === 0 || queue.closeReason !== undefined) return
    const bytes = out.take()
    if (this.send(bytes)) return
    this.isSending = true
    this.options.detach(Effect.map(Effect.exit(this.write(bytes)), (exit) => {
      this.isSending = false
      if (Exit.isSuccess(exit)) this.flush()
    }))
  }

  /**
   * Writes to the connection. On an error it waits before closing, because the reader may still receive the server's
   * last message, which explains the failure better.
   */
  private readonly write = (bytes: Uint8Array): Effect.Effect<void, Failure> =>
    Effect.catchCause(
      this.options.connection.write(bytes),
      (cause) =>
        Effect.flatMap(Effect.sleep(finalReadDelay), () => {
          this.queue.close(toFailure(cause))
          return Effect.fail(this.queue.closeReason!)
        })
    )

  /**
   * Sends bytes of the exchange at the head, between flushes: the data of a COPY. They are passed to the connection in
   * the step in which this is evaluated, so that no interruption, scheduler yield or Terminate message of the session
   * comes in between. Only the wait for room in the connection can be interrupted.
   */
  readonly writeData = (...parts: ReadonlyArray<Uint8Array>): Effect.Effect<void, Failure> =>
    Effect.suspend(() => {
      if (this.queue.closeReason !== undefined) return Effect.fail(this.queue.closeReason)
      const sent = parts.findIndex((part) => !this.send(part))
      if (sent < 0) return Effect.void
      const rest = Effect.forEach(parts.slice(sent), this.write, { concurrency: "unbounded", discard: true })
      return Fiber.join(this.options.detach(rest))
    })

  /** Sends the last bytes of an exchange after its frames, in the calling step. */
  writeLast(exchange: Exchange, bytes: Uint8Array): void {
    this.options.detach(Effect.ignore(this.writeData(bytes)))
    this.unblock(exchange)
  }
}

/** Returns the failure of a session whose connection failed. */
export const toFailure = (cause: Cause.Cause<Failure>): Failure => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error
  return Cause.hasDies(cause)
    ? readFailure({ _tag: "Defect", thrown: Cause.squash(cause) })
    : TransportError.closed("local")
}
