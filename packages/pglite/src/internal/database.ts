/**
 * The one session of a PGlite: who uses it, the execution of messages, and what has ended it.
 *
 * PGlite catches every exception of its module and goes on until all input is read (`execProtocolRawSync`). A module that
 * has ended reads nothing more, so that the call would never return, and one that ran out of stack returns without an
 * answer. Both are detected here, and nothing is handed over afterwards.
 *
 * @internal
 */
import type { PGliteInterface } from "@electric-sql/pglite"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** The part of a PGlite that is used. */
export interface Pglite
  extends Pick<PGliteInterface, "closed" | "execProtocolRaw" | "execProtocolRawStream" | "runExclusive" | "waitReady">
{
  /** Only a `PGliteWorker` has it. */
  readonly isLeader?: boolean
  /** Waits for PGlite's own transactions, where `runExclusive` only waits for their queries. */
  readonly _runExclusiveTransaction?: <A>(use: () => Promise<A>) => Promise<A>
}

/** PGlite reads at most 8,192 bytes at a time, in which there are fewer messages than this. */
const maxStepsWithoutReading = 2_048

/** Makes a loop that reads nothing of the bytes fail: each of its steps asks for their length. */
const failWithoutProgress = (bytes: Uint8Array): Uint8Array => {
  let steps = 0
  return Object.defineProperties(bytes.subarray(), {
    length: {
      get: () => {
        if (++steps > maxStepsWithoutReading) throw new Error("PGlite has ended: it no longer reads messages")
        return bytes.length
      }
    },
    subarray: {
      value: (start: number, end: number) => {
        steps = 0
        return bytes.subarray(start, end)
      }
    }
  })
}

/** Makes a PGlite fail its calls once it has ended. */
export const guard = <A extends Pglite>(pglite: A): A => {
  const execute = pglite.execProtocolRaw.bind(pglite)
  pglite.execProtocolRaw = (bytes, options) => execute(failWithoutProgress(bytes), options)
  return pglite
}

/** The session of a PGlite. All transports and listeners of the same PGlite share it. */
export class Database {
  /** Held by the connection that uses the session. */
  readonly permit = Semaphore.makeUnsafe(1)
  /** Allows PGlite's own queries again. Absent while they are allowed. */
  unlock: (() => void) | undefined
  private cause: unknown
  private readonly pglite: Pglite

  constructor(pglite: Pglite) {
    this.pglite = pglite
  }

  /** Returns why nothing can be executed, if so. */
  get ended(): unknown {
    return this.cause ?? (this.pglite.closed ? new Error("PGlite is closed") : undefined)
  }

  /** Refuses all that follows, for a reason, and returns the error. PGlite can then be closed. */
  end(cause: unknown): TransportError.TransportError {
    // The module ends with an `ExitStatus`, which is not an Error.
    this.cause ??= cause instanceof Error ? cause : new Error(String((cause as { message?: unknown }).message ?? cause))
    this.unlock?.()
    return TransportError.fromReason(new TransportError.ServerExited({ endpoint: "PGlite", cause: this.cause }))
  }

  /** Waits until PGlite has started. */
  readonly ready: Effect.Effect<void, TransportError.TransportError> = Effect.suspend(() =>
    this.ended === undefined
      ? Effect.tryPromise({ try: () => this.pglite.waitReady, catch: (cause) => this.end(cause) })
      : Effect.fail(this.end(this.ended))
  )

  /** Waits for PGlite's own queries and transactions, and locks later ones out until `unlock`. */
  readonly lock: Effect.Effect<void, TransportError.TransportError> = Effect.callback((resume) => {
    let isAbandoned = false
    const hold = () =>
      new Promise<void>((release) => {
        if (isAbandoned) return release()
        this.unlock = () => {
          this.unlock = undefined
          release()
        }
        resume(Effect.void)
      })
    const { pglite } = this
    const locked = pglite._runExclusiveTransaction?.(() => pglite.runExclusive(hold)) ?? pglite.runExclusive(hold)
    locked.catch((cause: unknown) => resume(Effect.fail(this.end(cause))))
    return Effect.sync(() => {
      isAbandoned = true
    })
  })

  /** Executes whole messages, and returns the answer. */
  execute(bytes: Uint8Array): Effect.Effect<ReadonlyArray<Uint8Array>, TransportError.TransportError> {
    return Effect.uninterruptible(Effect.tryPromise({
      try: async () => {
        if (this.ended !== undefined) throw this.ended
        // A Worker can be sent no function to call with the answer.
        if (this.pglite.isLeader !== undefined) return [await this.pglite.execProtocolRaw(bytes)]
        const chunks: Array<Uint8Array> = []
        await this.pglite.execProtocolRawStream(failWithoutProgress(bytes), {
          // A view of PGlite's memory, which it writes to again.
          onRawData: (data) => {
            chunks.push(data.slice())
          }
        })
        return chunks
      },
      catch: (cause) => this.end(cause)
    }))
  }
}

const databases = new WeakMap<Pglite, Database>()

/** Returns the session of a PGlite. */
export const databaseOf = (pglite: Pglite): Database => {
  const database = databases.get(pglite) ?? new Database(pglite)
  databases.set(pglite, database)
  return database
}
