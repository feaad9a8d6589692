/**
 * Rows into a table by COPY: the bytes, message by message.
 *
 * @internal
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as HyperBinaryCopy from "@hyperfect/values/HyperBinaryCopy"
import * as PgBinaryCopy from "@hyperfect/values/PgBinaryCopy"
import type { RowWriter } from "@hyperfect/values/RowWriter"
import * as ValueError from "@hyperfect/values/ValueError"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { TableColumn } from "./tableColumn.ts"

/** How the rows of one table are written for one kind of server. */
export interface Format {
  readonly name: string
  readonly writeHeader: (out: ByteWriter.ByteWriter) => void
  readonly writeRow: RowWriter<never>
  readonly writeTrailer: (out: ByteWriter.ByteWriter) => void
}

const nothing = (): void => {}

/** A function that puts a value through the Schema of its column. It throws a plain `ValueError.Reason`. */
const encoder = ({ isEncoded, name, schema, type }: TableColumn, index: number) => {
  if (!isEncoded) return undefined
  const encode = Schema.encodeUnknownResult(schema as Schema.Codec<unknown>)
  return (value: unknown, row: number): unknown => {
    const result = encode(value)
    if (result._tag === "Success") return result.success
    const reason = ValueError.reason(
      "TypeMismatch",
      type.name,
      undefined,
      result.failure.message,
      ValueError.kind(value)
    )
    throw ValueError.atColumn(reason, name, index, row)
  }
}

/** The format for a kind of server. Compiled: keep it. */
export const format = (kind: "hyper" | "postgres", columns: ReadonlyArray<TableColumn>): Format => {
  const copy = kind === "hyper" ? HyperBinaryCopy : PgBinaryCopy
  const options = {
    columns: columns.map(({ name, nullable, type }) => ({
      name,
      nullable,
      type: type[kind],
      typeModifier: type.typeModifier
    }))
  }
  return {
    name: kind === "hyper" ? "HYPERBINARY" : "BINARY",
    writeHeader: copy.writeHeader,
    writeRow: columns.some(({ isEncoded }) => isEncoded)
      ? encodingWriter(columns, copy.arraysUnsafe(options) as RowWriter<ReadonlyArray<unknown>>)
      : copy.objectsUnsafe(options) as RowWriter<never>,
    writeTrailer: kind === "hyper" ? nothing : PgBinaryCopy.writeTrailer
  }
}

/** A writer of rows of which some columns have to be encoded first. */
const encodingWriter = (
  columns: ReadonlyArray<TableColumn>,
  write: RowWriter<ReadonlyArray<unknown>>
): RowWriter<never> => {
  const fields = columns.map((column, index) => ({ name: column.name, encode: encoder(column, index) }))
  const values = new Array<unknown>(columns.length)
  return (out, row: Readonly<Record<string, unknown>> | null, index) => {
    if (typeof row !== "object" || row === null) {
      throw { ...ValueError.reason("TypeMismatch", "row", undefined, "object", ValueError.kind(row)), row: index }
    }
    for (let i = 0; i < fields.length; i++) {
      const { encode, name } = fields[i]!
      const value = name !== "__proto__" || Object.hasOwn(row, name) ? row[name] : undefined
      values[i] = encode === undefined ? value : encode(value, index)
    }
    write(out, values, index)
  }
}

/** How many elements of an iterable are taken at a time. */
const batchSize = 4096

/**
 * The rows of an iterable. An array is handed over as it is; of anything else no more is taken than is asked for, and it is
 * told when nothing more will be.
 */
export const fromIterable = <Row>(rows: Iterable<Row>): Stream.Stream<Row> => {
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

/** Writes rows into messages, each of at least `messageSize` bytes but the last. */
class Encoder<Row> {
  /** How many rows were written, and how many bytes were handed out. */
  rows = 0
  bytes = 0
  private readonly format: Format
  private readonly messageSize: number
  private out: ByteWriter.ByteWriter
  private batch: ReadonlyArray<Row> = []
  private next = 0

  constructor(format: Format, messageSize: number) {
    this.format = format
    this.messageSize = messageSize
    // Small until it turns out that there is much to write.
    this.out = ByteWriter.make()
    format.writeHeader(this.out)
  }

  accept(batch: ReadonlyArray<Row>): void {
    this.batch = batch
    this.next = 0
  }

  /** Writes until a message is full, and then returns true, or until the batch has been written. Throws a reason. */
  fill(): boolean {
    const { batch, messageSize, out } = this
    const writeRow = this.format.writeRow as RowWriter<Row>
    const { length } = batch
    let i = this.next
    let row = this.rows
    while (i < length && out.size < messageSize) writeRow(out, batch[i++]!, row++)
    this.next = i
    this.rows = row
    return out.size >= messageSize
  }

  finish(): void {
    this.format.writeTrailer(this.out)
  }

  get isEmpty(): boolean {
    return this.out.size === 0
  }

  /** The message so far. It belongs to whoever sends it, so what follows is written into another buffer. */
  take(): Uint8Array {
    const message = this.out.take()
    this.bytes += message.length
    this.out = ByteWriter.make(this.messageSize + (this.messageSize >> 3))
    return message
  }
}

export interface Progress {
  readonly rows: number
  readonly bytes: number
}

/** The messages of a COPY. `onProgress` is run whenever a message has been taken off our hands. */
export const messages = <Row, E, R, E2, R2>(
  rows: Stream.Stream<Row, E, R>,
  format: Format,
  messageSize: number,
  onProgress: ((progress: Progress) => Effect.Effect<unknown, E2, R2>) | undefined
): Stream.Stream<Uint8Array, E | E2 | ValueError.ValueError, R | R2> =>
  Stream.transformPull(rows, (upstream) =>
    Effect.sync(() => {
      const encoder = new Encoder<Row>(format, messageSize)
      type Messages = Pull.Pull<readonly [Uint8Array], E | E2 | ValueError.ValueError, void, R2>
      let isFinished = false
      let reported = 0

      const take = Effect.sync(() => [encoder.take()] as const)

      const next: Messages = Effect.suspend((): Messages => {
        if (isFinished) return encoder.isEmpty ? Cause.done() : take
        try {
          if (encoder.fill()) return take
        } catch (thrown) {
          return Effect.fail(ValueError.fromThrown(thrown))
        }
        return Pull.matchEffect(upstream, {
          onSuccess: (batch): Messages => {
            encoder.accept(batch)
            return next
          },
          onFailure: (cause): Messages => Effect.failCause(cause),
          onDone: (): Messages => {
            encoder.finish()
            isFinished = true
            return next
          }
        })
      })

      if (onProgress === undefined) return next
      return Effect.suspend((): Messages => {
        const { bytes, rows } = encoder
        if (bytes === reported) return next
        reported = bytes
        return Effect.andThen(onProgress({ rows, bytes }), next)
      })
    }))
