/**
 * COPY FROM STDIN: the dialogue around the data.
 *
 * @internal
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Copied } from "../Queries.ts"
import { type Failure, type QueryError, UnsupportedError } from "../QueryError.ts"
import { rowCount } from "../Result.ts"
import { fail } from "./circumstances.ts"
import { type Engine, type WriteFrames, writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { CopyIn } from "./exchanges.ts"

const copyDone = Frontend.encodeUnsafe({ _tag: "CopyDone" })

/** Chunks from this size on are sent as they are; smaller ones are gathered, for a message costs more than a copy. */
const gatherBelow = 32 * 1024

/** Longer chunks are sent in several messages: Hyper takes 150 MiB at most, and its session does not survive more. */
const maxMessage = 16 * 1024 * 1024

const header = (length: number): Uint8Array => {
  const out = ByteWriter.make(5)
  out.uint8(0x64)
  out.int32(length + 4)
  return out.take()
}

/** Sends chunks as CopyData. Never torn: half a message would take the rest of the session with it. */
const send = Effect.fnUntraced(function*(
  engine: Engine,
  out: ByteWriter.ByteWriter,
  chunks: ReadonlyArray<Uint8Array>
) {
  for (const chunk of chunks) {
    if (chunk.length < gatherBelow) {
      writeFrontend(out, { _tag: "CopyData", data: chunk })
      if (out.size >= gatherBelow) yield* engine.writeData(out.take())
      continue
    }
    if (out.size > 0) yield* engine.writeData(out.take())
    for (let at = 0; at < chunk.length; at += maxMessage) {
      const piece = chunk.subarray(at, at + maxMessage)
      yield* engine.writeData(header(piece.length), piece)
    }
  }
  if (out.size > 0) yield* engine.writeData(out.take())
})

/** What the server is told of why the data ends early. The error itself may hold data, so only its name is sent. */
const reasonOf = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "the copy was interrupted"
  const error = Cause.squash(cause)
  const name = typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "an error"
  return `the source of the data failed with ${name.replaceAll("\0", "").toWellFormed()}`
}

/** @internal */
export const copyIn = <E, R>(
  engine: Engine,
  server: "hyper" | "postgres",
  text: string,
  writeQuery: WriteFrames,
  data: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<Copied, QueryError | E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const ready = Deferred.makeUnsafe<boolean>()
      const ended = Deferred.makeUnsafe<string, Failure>()
      const exchange: CopyIn = new CopyIn(
        states.Querying,
        () => Deferred.doneUnsafe(ready, Exit.succeed(true)),
        (exit) => {
          Deferred.doneUnsafe(ended, exit)
          Deferred.doneUnsafe(ready, Exit.succeed(false))
        }
      )
      engine.submit(exchange, writeQuery)
      const told = <A>(effect: Effect.Effect<A, Failure>) =>
        Effect.catch(effect, (failure) => fail(failure, exchange.sent, text))
      const outcome = told(Deferred.await(ended))
      const interrupted = "the copy was interrupted"
      const isReady = yield* Effect.onInterrupt(
        restore(Deferred.await(ready)),
        () => engine.failCopy(exchange, interrupted)
      )
      const failed = Effect.andThen(outcome, Effect.never)
      const out = ByteWriter.make(2 * gatherBelow)
      const feed = Stream.runForEachArray(data, (chunks) => told(send(engine, out, chunks)))

      if (!isReady) {
        yield* outcome
        const refused = new UnsupportedError({ feature: "copying into what is no COPY ... FROM STDIN", server })
        return yield* fail(refused, exchange.sent, text)
      }
      // The server may refuse while data is still to come: then the source is not read on.
      const fed = yield* Effect.exit(restore(Effect.raceFirst(feed, failed)))
      if (Exit.isFailure(fed)) {
        yield* engine.failCopy(exchange, reasonOf(fed.cause))
        return yield* Effect.failCause(fed.cause)
      }
      let isDone = false
      const done = Effect.suspend(() => {
        isDone = true
        return told(engine.writeData(copyDone))
      })
      const commandTag = yield* Effect.onInterrupt(
        restore(Effect.andThen(done, outcome)),
        () => (isDone ? engine.abandon(exchange) : engine.failCopy(exchange, interrupted))
      )
      return { commandTag, rowCount: rowCount(commandTag) ?? 0 }
    })
  )
