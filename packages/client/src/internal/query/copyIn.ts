/**
 * The message flow of COPY FROM STDIN.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CopyInOptions, CopyResult } from "../../Queries.ts"
import type { Failure, QueryError } from "../../QueryError.ts"
import { rowCount } from "../../QueryResult.ts"
import { copyDone, type Engine, writeFrontend, writeQuery } from "../engine/engine.ts"
import { Exchange, flows, Sink } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import { sentText } from "../model/comment.ts"
import { failQuery, unsupported } from "../session/queryError.ts"
import type { Request } from "../statement/plan.ts"
import type { QueryRunner } from "./runner.ts"
import { checkCopy } from "./streams.ts"

/**
 * The size from which chunks are sent as they are. Smaller ones are combined, since a message costs more than a copy.
 */
const coalesceBelow = 32 * 1024

/**
 * The maximum size of a message; longer chunks are split. Hyper accepts at most 150 MiB and closes the session beyond
 * that.
 */
const maxMessageSize = 16 * 1024 * 1024

const copyDataHeader = (length: number): Uint8Array => {
  const out = ByteWriter.make(5)
  out.uint8(0x64)
  out.int32(length + 4)
  return out.take()
}

/** Sends chunks as CopyData. A message is never sent in part, which would break the session. */
const sendChunks = Effect.fnUntraced(function*(
  engine: Engine,
  out: ByteWriter.ByteWriter,
  chunks: ReadonlyArray<Uint8Array>
) {
  for (const chunk of chunks) {
    if (chunk.length < coalesceBelow) {
      writeFrontend(out, { _tag: "CopyData", data: chunk })
      if (out.size >= coalesceBelow) yield* engine.writer.writeData(out.take())
      continue
    }
    if (out.size > 0) yield* engine.writer.writeData(out.take())
    for (let at = 0; at < chunk.length; at += maxMessageSize) {
      const piece = chunk.subarray(at, at + maxMessageSize)
      yield* engine.writer.writeData(copyDataHeader(piece.length), piece)
    }
  }
  if (out.size > 0) yield* engine.writer.writeData(out.take())
})

/** The message of CopyFail. The error itself may contain data, so only its name is sent. */
const failureMessage = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "the copy was interrupted"
  const error = Cause.squash(cause)
  const name = typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "an error"
  return `the source of the data failed with ${name.replaceAll("\0", "").toWellFormed()}`
}

/** Sends data: calls `onReady` when the server is ready for it. Returns the command tag. */
class CopySink extends Sink<string> {
  private readonly onReady: () => void

  constructor(onReady: () => void) {
    super()
    this.onReady = onReady
  }

  override onMessage(message: Backend.Message): void {
    super.onMessage(message)
    if (message._tag === "CopyInResponse") this.onReady()
  }

  result(): string {
    return this.commandTag
  }
}

/** Pulls chunks up to a number of bytes. Returns them with the rest of the data, whose scope is the caller's. */
const pullAhead = Effect.fnUntraced(function*<E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  bytes: number
): Effect.fn.Return<Stream.Stream<Uint8Array, E, R>, E, R | Scope.Scope> {
  const pull = yield* Stream.toPull(data)
  const pulled: Array<Uint8Array> = []
  for (let size = 0; size < bytes;) {
    const chunks = yield* Pull.catchDone(pull, () => Effect.succeed(undefined))
    if (chunks === undefined) return Stream.fromArray(pulled)
    for (const chunk of chunks) {
      pulled.push(chunk)
      size += chunk.length
    }
  }
  return Stream.concat(Stream.fromArray(pulled), Stream.fromPull(Effect.succeed(pull)))
})

/** Copies into what a statement names, while the session is closed to others. */
export const copyIn = <E, R>(
  session: QueryRunner,
  gate: Gate,
  statement: Request,
  data: Stream.Stream<Uint8Array, E, R>,
  { openAfter = 0 }: CopyInOptions = {}
): Effect.Effect<CopyResult, QueryError | E, R> =>
  gate.whileExclusive(statement, (own) =>
    Effect.andThen(checkCopy(session, statement), () => {
      const { dialect, queue } = session.engine
      const owned = <E1, R1>(stream: Stream.Stream<Uint8Array, E1, R1>) =>
        Stream.unwrap(Effect.as(own.markOwner, stream))
      if (openAfter === 0 || !dialect.copyBlocksReaders) return copyChunks(session, own, statement, owned(data))
      const closed = Effect.catch(queue.whenClosed, (failure) => failQuery(failure, "nothing", statement))
      return Effect.scoped(Effect.flatMap(
        Effect.raceFirst(pullAhead(owned(data), openAfter), closed),
        (ahead) => copyChunks(session, own, statement, owned(ahead))
      ))
    }))

const copyChunks = <E, R>(
  { engine }: QueryRunner,
  gate: Gate,
  statement: Request,
  data: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<CopyResult, QueryError | E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const ready = Deferred.makeUnsafe<boolean>()
      const ended = Deferred.makeUnsafe<void>()
      const exchange = new Exchange(flows.copyIn, new CopySink(() => Deferred.doneUnsafe(ready, Exit.succeed(true))))
      const onDone = () => {
        Deferred.doneUnsafe(ended, Exit.void)
        Deferred.doneUnsafe(ready, Exit.succeed(false))
      }
      yield* gate.whileActive(statement, () => engine.submit(exchange, writeQuery(sentText(statement)), onDone))
      const withStatement = <A>(effect: Effect.Effect<A, Failure>) =>
        Effect.catch(effect, (failure) => failQuery(failure, exchange.sent, statement))
      const outcome = Effect.flatMap(Deferred.await(ended), () => exchange.outcomeFor(statement))
      const interrupted = "the copy was interrupted"
      const isReady = yield* Effect.onInterrupt(
        restore(Deferred.await(ready)),
        () => engine.failCopy(exchange, interrupted)
      )
      const failed = Effect.andThen(outcome, Effect.never)
      const out = ByteWriter.make(2 * coalesceBelow)
      const pump = Stream.runForEachArray(data, (chunks) => withStatement(sendChunks(engine, out, chunks)))

      if (!isReady) {
        yield* outcome
        const feature = "copying into what is no COPY ... FROM STDIN"
        const problem = "copyIn expects a COPY ... FROM STDIN, but got another statement"
        return yield* failQuery(unsupported(engine.dialect, feature, problem), exchange.sent, statement)
      }
      // If the server refuses while data is still to come, the source is not read further.
      const pumped = yield* Effect.exit(restore(Effect.raceFirst(pump, failed)))
      if (Exit.isFailure(pumped)) {
        yield* engine.failCopy(exchange, failureMessage(pumped.cause))
        return yield* Effect.failCause(pumped.cause)
      }
      let isDone = false
      const done = Effect.sync(() => {
        isDone = true
        engine.writer.writeLast(exchange, copyDone)
      })
      const commandTag = yield* Effect.onInterrupt(
        restore(Effect.andThen(done, outcome)),
        () => (isDone ? engine.cancellation.abandon(exchange) : engine.failCopy(exchange, interrupted))
      )
      return { commandTag, rowCount: rowCount(commandTag) ?? 0 }
    })
  )
