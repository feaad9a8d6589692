/**
 * The exchanges that hand out what comes while it comes.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { Reader as CopyReader } from "@hyperfect/values/CopyFormat"
import * as ValueError from "@hyperfect/values/ValueError"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Failure } from "../QueryError.ts"
import type { Copies } from "./exchange.ts"
import { Base, type Describe } from "./exchanges.ts"
import type { Rows } from "./reading.ts"

/** Where rows or data go that are handed out while the exchange is still running. */
export interface Outlet<A> {
  /** Takes what one network chunk gave; the effect ends when the consumer has room for more. */
  readonly offer: (batch: Array<A>) => Effect.Effect<void>
}

/** What an exchange hands out of what has come, chunk by chunk. */
export abstract class Give<A, B> extends Base<B> {
  protected batch: Array<A> = []
  private readonly outlet: Outlet<A>

  constructor(state: number, outlet: Outlet<A>, done: (exit: Exit.Exit<B, Failure>) => void) {
    super(state, done)
    this.outlet = outlet
  }

  /** What has not been offered yet: at the end, that of the last chunk. */
  takeBatch(): Array<A> {
    const batch = this.batch
    this.batch = []
    return batch
  }

  override backpressure(): Effect.Effect<void> | undefined {
    return this.batch.length === 0 || this.abandoned ? undefined : this.outlet.offer(this.takeBatch())
  }

  /** The consumer is told at once: its leaving cancels the statement, which may have any amount to come. */
  protected fail(thrown: unknown): void {
    this.onError(ValueError.fromThrown(thrown))
    if (!this.abandoned) this.finish()
  }
}

/** A query of which the rows are handed out as they come. */
export class StreamRows<Row> extends Give<Row, void> {
  private readonly describe: Describe<Rows<Row>>
  private known: Rows<Row> | undefined

  constructor(
    state: number,
    describe: Describe<Rows<Row>>,
    known: Rows<Row> | undefined,
    outlet: Outlet<Row>,
    done: (exit: Exit.Exit<void, Failure>) => void
  ) {
    super(state, outlet, done)
    this.describe = describe
    this.known = known
  }

  onMessage(message: Backend.Message): void {
    if (message._tag !== "RowDescription") return
    try {
      this.known = this.describe(message.fields)
    } catch (thrown) {
      this.fail(thrown)
    }
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.known === undefined || this.error() !== undefined) return
    try {
      this.batch.push(this.known.reader(bytes, start + 5, end))
    } catch (thrown) {
      this.known.onFailure?.()
      this.fail(thrown)
    }
  }

  protected result(): void {}
}

/** COPY TO STDOUT: what a reader makes of the data is handed out as it comes. */
export class CopyOut<A> extends Give<A, string> {
  override copies: Copies | undefined = "out"
  private readonly reader: CopyReader<A>
  private commandTag = ""
  /** Whether the server has begun to copy: a statement that is no COPY TO STDOUT never does. */
  started = false

  constructor(
    state: number,
    reader: CopyReader<A>,
    outlet: Outlet<A>,
    done: (exit: Exit.Exit<string, Failure>) => void
  ) {
    super(state, outlet, done)
    this.reader = reader
  }

  onMessage(message: Backend.Message): void {
    if (message._tag === "CopyOutResponse") this.started = true
    else if (message._tag === "CopyDone") this.endData()
    else if (message._tag === "CommandComplete") this.commandTag = message.commandTag
  }

  override onCopyData(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.error() !== undefined) return
    try {
      this.reader.push(bytes, start + 5, end, this.batch)
    } catch (thrown) {
      this.fail(thrown)
    }
  }

  private endData(): void {
    if (this.abandoned || this.error() !== undefined) return
    try {
      this.reader.end(this.batch)
    } catch (thrown) {
      this.fail(thrown)
    }
  }

  protected result(): string {
    return this.commandTag
  }
}
