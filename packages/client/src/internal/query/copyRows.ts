/**
 * Encodes rows as the messages of a COPY, and decodes its data to rows.
 *
 * @internal
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import type * as CopyFormat from "@hyperfect/values/CopyFormat"
import * as ValueError from "@hyperfect/values/ValueError"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { isIterable } from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** The number of elements taken from an iterable at a time. */
const batchSize = 4096

/**
 * Streams the rows of an iterable. An array is passed on as it is; other iterables are read on demand, and their
 * iterators are closed if they are left early.
 */
const fromIterable = <Row>(rows: Iterable<Row>): Stream.Stream<Row> => {
  if (Array.isArray(rows)) return Stream.fromArray(rows as ReadonlyArray<Row>)
  return Stream.unwrap(Effect.gen(function*() {
    let isDone = false
    const iterator = yield* Effect.acquireRelease(
      Effect.sync(() => rows[Symbol.iterator]()),
      (iterator) => Effect.sync(() => isDone || iterator.return?.())
    )
    return Stream.fromPull(Effect.succeed(Effect.suspend(() => {
      const batch: Array<Row> = []
      while (!isDone && batch.length < batchSize) {
        const next = iterator.next()
        if (next.done === true) isDone = true
        else batch.push(next.value)
      }
      return isReadonlyArrayNonEmpty(batch) ? Effect.succeed(batch) : Cause.done()
    })))
  }))
}

/**
 * Streams the rows of a stream or an iterable. Fails for anything else: an object made by `JSON.parse` can have the key
 * by which Effect recognizes streams, but no methods.
 */
export const fromSource = <Row, E, R>(
  rows: Iterable<Row> | Stream.Stream<Row, E, R>
): Stream.Stream<Row, E | ValueError.ValueError, R> => {
  if (Stream.isStream(rows) && typeof rows.pipe === "function") return rows
  if (isIterable(rows)) return fromIterable(rows)
  const reason = ValueError.reason("TypeMismatch", "rows", undefined, "an iterable or a Stream", ValueError.kind(rows))
  return Stream.fail(new ValueError.ValueError({ reason }))
}

/**
 * The progress of a COPY into a table: the rows in messages that the connection has accepted. Whether the table keeps
 * them is known only at the end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly rows: number
  readonly bytes: number
}

/**
 * Encodes rows as the messages of a COPY, each of at least `messageSize` bytes except the last. `onProgress` runs
 * whenever a message has been consumed.
 */
export const encode = <Row, E, R, E2, R2>(
  rows: Stream.Stream<Row, E, R>,
  writer: CopyFormat.Writer<Row>,
  messageSize: number,
  onProgress: ((progress: Progress) => Effect.Effect<unknown, E2, R2>) | undefined
): Stream.Stream<Uint8Array, E | E2 | ValueError.ValueError, R | R2> =>
  Stream.transformPull(rows, (upstream) =>
    Effect.sync(() => {
      type Messages = Pull.Pull<readonly [Uint8Array], E | E2 | ValueError.ValueError, void, R2>
      // Starts small, in case there are few rows.
      let out = ByteWriter.make()
      writer.begin(out)
      let batch: ReadonlyArray<Row> = []
      let position = 0
      let written = 0
      let bytes = 0
      let isFinished = false
      let reported = 0

      /** Writes rows. True when the message is full, and false when the batch has been written. Throws a reason. */
      const fill = (): boolean => {
        const [from, into, writeRow] = [batch, out, writer.row]
        let i = position
        let row = written
        while (i < from.length && into.size < messageSize) writeRow(into, from[i++]!, row++)
        position = i
        written = row
        return into.size >= messageSize
      }
      // The message belongs to its consumer, so later rows are written into another buffer.
      const take = Effect.sync(() => {
        const message = out.take()
        bytes += message.length
        out = ByteWriter.make(messageSize + (messageSize >> 3))
        return [message] as const
      })

      const next: Messages = Effect.suspend((): Messages => {
        if (isFinished) return out.size === 0 ? Cause.done() : take
        try {
          if (fill()) return take
        } catch (thrown) {
          return Effect.fail(ValueError.fromThrown(thrown))
        }
        return Pull.matchEffect(upstream, {
          onSuccess: (rows): Messages => {
            batch = rows
            position = 0
            return next
          },
          onFailure: (cause): Messages => Effect.failCause(cause),
          onDone: (): Messages => {
            writer.end(out)
            isFinished = true
            return next
          }
        })
      })

      if (onProgress === undefined) return next
      return Effect.suspend((): Messages => {
        if (bytes === reported) return next
        reported = bytes
        return Effect.andThen(onProgress({ rows: written, bytes }), next)
      })
    }))

/** Decodes the rows in data whose chunks may be split anywhere. */
export const decode = <Row, E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  reader: CopyFormat.Reader<Row>
): Stream.Stream<Row, E | ValueError.ValueError, R> =>
  Stream.transformPull(data, (upstream) =>
    Effect.sync(() => {
      type Rows = Pull.Pull<readonly [Row, ...Array<Row>], E | ValueError.ValueError, void>
      let isOver = false

      const read = (run: (rows: Array<Row>) => void, otherwise: Rows): Rows => {
        const rows: Array<Row> = []
        try {
          run(rows)
        } catch (thrown) {
          return Effect.fail(ValueError.fromThrown(thrown))
        }
        return isReadonlyArrayNonEmpty(rows)
          ? Effect.succeed(rows as unknown as readonly [Row, ...Array<Row>])
          : otherwise
      }

      const next: Rows = Effect.suspend((): Rows =>
        isOver ? Cause.done() : Pull.matchEffect(upstream, {
          onSuccess: (chunks): Rows =>
            read((rows) => {
              for (const chunk of chunks) reader.push(chunk, 0, chunk.length, rows)
            }, next),
          onFailure: (cause): Rows => Effect.failCause(cause),
          onDone: (): Rows => {
            isOver = true
            return read((rows) => reader.end(rows), Cause.done())
          }
        })
      )
      return next
    }))
