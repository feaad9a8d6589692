/**
 * Sinks that pass on what they receive while the exchange is running.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { Reader as CopyReader } from "@hyperfect/values/CopyFormat"
import type * as Effect from "effect/Effect"
import { Sink } from "./exchange.ts"
import type { RowsDecoder } from "./resultDecoders.ts"
import type { MakeDecoder } from "./sinks.ts"

/** The consumer of a stream. */
export interface Consumer<A> {
  /** Takes the items of one network chunk. The effect ends when the consumer has room for more. */
  readonly offer: (batch: Array<A>) => Effect.Effect<void>
}

/** Streams items to a consumer, chunk by chunk. */
export abstract class StreamSink<A> extends Sink<void> {
  protected batch: Array<A> = []
  private readonly consumer: Consumer<A>

  constructor(consumer: Consumer<A>) {
    super()
    this.consumer = consumer
  }

  /** Takes the items that were not offered yet: at the end, those of the last chunk. */
  takeBatch(): Array<A> {
    const batch = this.batch
    this.batch = []
    return batch
  }

  override backpressure(): Effect.Effect<void> | undefined {
    return this.batch.length === 0 ? undefined : this.consumer.offer(this.takeBatch())
  }

  result(): void {}
}

/** Streams rows. */
export class RowStream<Row> extends StreamSink<Row> {
  private readonly describe: MakeDecoder<RowsDecoder<Row>>
  private known: RowsDecoder<Row> | undefined

  constructor(
    describe: MakeDecoder<RowsDecoder<Row>>,
    known: RowsDecoder<Row> | undefined,
    consumer: Consumer<Row>
  ) {
    super(consumer)
    this.describe = describe
    this.known = known
  }

  override onMessage(message: Backend.Message): void {
    if (message._tag === "RowDescription") this.known = this.describe(message.fields, true)
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.known !== undefined) this.batch.push(this.known.reader(bytes, start + 5, end))
  }

  override onUndecodable(): void {
    this.known?.onFailure?.()
  }
}

/** Streams the items that a reader decodes from the data of a COPY. */
export class CopyStream<A> extends StreamSink<A> {
  private readonly reader: CopyReader<A>
  private readonly onStart: () => void

  /** Calls `onStart` when the server begins to copy, which it does for no other statement than a COPY TO STDOUT. */
  constructor(reader: CopyReader<A>, onStart: () => void, consumer: Consumer<A>) {
    super(consumer)
    this.reader = reader
    this.onStart = onStart
  }

  override onMessage(message: Backend.Message): void {
    if (message._tag === "CopyOutResponse") this.onStart()
    else if (message._tag === "CopyDone") this.reader.end(this.batch)
  }

  override onCopyData(bytes: Uint8Array, start: number, end: number): void {
    this.reader.push(bytes, start + 5, end, this.batch)
  }
}
