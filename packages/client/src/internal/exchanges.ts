/**
 * The exchanges that there are: what each does with rows, data and its end.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import type { ColumnReader } from "@hyperfect/values/Columns"
import type { Reader as CopyReader } from "@hyperfect/values/CopyFormat"
import type { RowReader } from "@hyperfect/values/RowReader"
import * as ValueError from "@hyperfect/values/ValueError"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Executed } from "../Queries.ts"
import type { Failure, Sent } from "../QueryError.ts"
import { type ColumnsResult, type FieldDescription, type Result, rowCount } from "../Result.ts"
import { type Exchange, states, type WriteFrames } from "./exchange.ts"
import { type Nature, natureOf } from "./nature.ts"
import type { IntoColumns, Rows } from "./reading.ts"

/** Makes what reads a result, once its columns are known. Throws a `ValueError.Reason`. */
export type Describe<K> = (fields: ReadonlyArray<RowDescription.FieldDescription>) => K

const noFields: ReadonlyArray<FieldDescription> = []

/** What all exchanges share: the first error counts, and somebody is told of the end once. */
export abstract class Base<A> implements Exchange {
  state: number
  sent: Sent = "nothing"
  /** What it runs, if that is known. */
  text = ""
  frames: WriteFrames | undefined = undefined
  isExposed = false
  abandoned = false
  copies: "in" | "out" | undefined = undefined
  /** How far it had come when the first thing went wrong. */
  failedIn: number | undefined
  private failure: Failure | undefined
  private readonly begins: number
  private readonly done: (exit: Exit.Exit<A, Failure>) => void

  constructor(state: number, done: (exit: Exit.Exit<A, Failure>) => void) {
    this.state = state
    this.begins = state
    this.done = done
  }

  abstract onMessage(message: Backend.Message): void
  protected abstract result(): A

  onDataRow(_bytes: Uint8Array, _start: number, _end: number): void {}

  onCopyData(_bytes: Uint8Array, _start: number, _end: number): void {}

  onError(error: Failure): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.failedIn = this.state
  }

  error(): Failure | undefined {
    return this.failure
  }

  onEnd(): void {
    if (!this.abandoned) this.finish()
  }

  protected finish(): void {
    this.done(this.failure === undefined ? Exit.succeed(this.result()) : Exit.fail(this.failure))
  }

  nature(): Nature {
    return natureOf(this.text)
  }

  isComplete(state: number): boolean {
    return state === states.Ending
  }

  get canRestart(): boolean {
    return false
  }

  restart(): void {
    this.state = this.begins
    this.failure = undefined
    this.failedIn = undefined
  }

  backpressure(): Effect.Effect<void> | undefined {
    return undefined
  }

  /** Runs code that may throw the reason of a `ValueError`, which then fails this exchange alone. */
  protected attempt(run: () => void): void {
    try {
      run()
    } catch (thrown) {
      this.onError(ValueError.fromThrown(thrown))
    }
  }
}

/** @internal */
export const makeResult = <Row>(
  fields: ReadonlyArray<FieldDescription>,
  rows: ReadonlyArray<Row>,
  commandTag: string
): Result<Row> => ({ rows, fields, commandTag, rowCount: rowCount(commandTag) })

/** A query of one statement, of which the whole result is gathered. */
export abstract class Gather<K extends { readonly fields: ReadonlyArray<FieldDescription> }, A> extends Base<A> {
  private readonly describe: Describe<K>
  /** What was known before it was run. */
  private readonly prior: K | undefined
  protected known: K | undefined
  protected commandTag = ""

  constructor(
    state: number,
    describe: Describe<K>,
    known: K | undefined,
    done: (exit: Exit.Exit<A, Failure>) => void
  ) {
    super(state, done)
    this.describe = describe
    this.prior = known
  }

  protected abstract begin(known: K): void

  override get canRestart(): boolean {
    return true
  }

  override restart(): void {
    super.restart()
    this.commandTag = ""
    if (this.prior !== undefined) this.begin(this.prior)
  }

  onMessage(message: Backend.Message): void {
    if (message._tag === "RowDescription") this.attempt(() => this.begin(this.describe(message.fields)))
    else if (message._tag === "CommandComplete") this.commandTag = message.commandTag
  }
}

/** All rows are collected. */
export class Collect<Row> extends Gather<Rows<Row>, Result<Row>> {
  private reader: RowReader<Row> | undefined
  private rows: Array<Row> = []

  constructor(
    state: number,
    describe: Describe<Rows<Row>>,
    known: Rows<Row> | undefined,
    done: (exit: Exit.Exit<Result<Row>, Failure>) => void
  ) {
    super(state, describe, known, done)
    if (known !== undefined) this.begin(known)
  }

  protected begin(known: Rows<Row>): void {
    this.known = known
    this.reader = known.reader
  }

  override restart(): void {
    this.rows = []
    super.restart()
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.reader === undefined || this.error() !== undefined) return
    try {
      this.rows.push(this.reader(bytes, start + 5, end))
    } catch (thrown) {
      this.rows = []
      this.known?.onFailure?.()
      this.onError(ValueError.fromThrown(thrown))
    }
  }

  protected result(): Result<Row> {
    return makeResult(this.known?.fields ?? noFields, this.rows, this.commandTag)
  }
}

/** All rows are collected by their columns. */
export class CollectColumns extends Gather<IntoColumns, ColumnsResult> {
  private reader: ColumnReader | undefined

  constructor(
    state: number,
    describe: Describe<IntoColumns>,
    known: IntoColumns | undefined,
    done: (exit: Exit.Exit<ColumnsResult, Failure>) => void
  ) {
    super(state, describe, known, done)
    if (known !== undefined) this.begin(known)
  }

  protected begin(known: IntoColumns): void {
    this.known = known
    this.reader = known.start()
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.reader === undefined || this.error() !== undefined) return
    try {
      this.reader.append(bytes, start + 5, end)
    } catch (thrown) {
      this.reader = undefined
      this.known?.onFailure?.()
      this.onError(ValueError.fromThrown(thrown))
    }
  }

  protected result(): ColumnsResult {
    const { commandTag, known, reader } = this
    const columns = reader?.take() ?? []
    return { columns, fields: known?.fields ?? noFields, commandTag, rowCount: rowCount(commandTag) }
  }
}

/** A statement that is run for what it does. */
export class Execute extends Base<Executed> {
  private commandTag = ""

  constructor(
    state: number,
    _describe: Describe<unknown>,
    _known: unknown,
    done: (exit: Exit.Exit<Executed, Failure>) => void
  ) {
    super(state, done)
  }

  override get canRestart(): boolean {
    return true
  }

  onMessage(message: Backend.Message): void {
    if (message._tag === "CommandComplete") this.commandTag = message.commandTag
  }

  protected result(): Executed {
    const { commandTag } = this
    return { commandTag, rowCount: rowCount(commandTag) }
  }
}

/** A query by the simple protocol: any number of results, all in text. */
export class Simple<Row> extends Base<ReadonlyArray<Result<Row>>> {
  private readonly describe: Describe<Rows<Row>>
  private results: Array<Result<Row>> = []
  private fields: ReadonlyArray<FieldDescription> = noFields
  private reader: RowReader<Row> | undefined
  private rows: Array<Row> = []

  constructor(
    state: number,
    describe: Describe<Rows<Row>>,
    done: (exit: Exit.Exit<ReadonlyArray<Result<Row>>, Failure>) => void
  ) {
    super(state, done)
    this.describe = describe
  }

  /** ReadyForQuery may come at any time, but there is an answer to every text. */
  override isComplete(): boolean {
    return this.results.length > 0
  }

  override get canRestart(): boolean {
    return true
  }

  override restart(): void {
    super.restart()
    this.results = []
    this.rows = []
  }

  onMessage(message: Backend.Message): void {
    switch (message._tag) {
      case "RowDescription":
        this.attempt(() => {
          const { fields, reader } = this.describe(message.fields)
          this.fields = fields
          this.reader = reader
        })
        break
      case "CommandComplete":
      case "EmptyQueryResponse":
        this.results.push(
          makeResult(this.fields, this.rows, message._tag === "CommandComplete" ? message.commandTag : "")
        )
        this.fields = noFields
        this.reader = undefined
        this.rows = []
    }
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.reader === undefined || this.error() !== undefined) return
    this.attempt(() => this.rows.push(this.reader!(bytes, start + 5, end)))
  }

  protected result(): ReadonlyArray<Result<Row>> {
    return this.results
  }
}

/** What a server says of a statement that it has prepared. */
export interface Described {
  readonly parameterTypes: ReadonlyArray<number>
  readonly fields: ReadonlyArray<RowDescription.FieldDescription>
}

/** Parse and Describe of a statement. */
export class Prepare extends Base<Described> {
  private parameterTypes: ReadonlyArray<number> = []
  private fields: ReadonlyArray<RowDescription.FieldDescription> = noFields

  onMessage(message: Backend.Message): void {
    if (message._tag === "ParameterDescription") this.parameterTypes = message.parameterTypes
    else if (message._tag === "RowDescription") this.fields = message.fields
  }

  /** It changes nothing but what the server knows under the name, which is nothing when it fails. */
  override nature(): Nature {
    return "repeatable"
  }

  override get canRestart(): boolean {
    return true
  }

  protected result(): Described {
    return { parameterTypes: this.parameterTypes, fields: this.fields }
  }

  /** The server knows the statement, although nobody may wait for it any more. */
  override onEnd(): void {
    this.finish()
  }
}

/** Where rows or data go that are handed out while the exchange is still running. */
export interface Outlet<A> {
  /** Takes what one network chunk gave; the effect ends when the consumer has room for more. */
  readonly offer: (batch: Array<A>) => Effect.Effect<void>
}

/** A query of which the rows are handed out as they come. */
export class StreamRows<Row> extends Base<void> {
  private readonly describe: Describe<Rows<Row>>
  private readonly outlet: Outlet<Row>
  private known: Rows<Row> | undefined
  private batch: Array<Row> = []

  constructor(
    state: number,
    describe: Describe<Rows<Row>>,
    known: Rows<Row> | undefined,
    outlet: Outlet<Row>,
    done: (exit: Exit.Exit<void, Failure>) => void
  ) {
    super(state, done)
    this.describe = describe
    this.known = known
    this.outlet = outlet
  }

  onMessage(message: Backend.Message): void {
    if (message._tag !== "RowDescription") return
    this.attempt(() => {
      this.known = this.describe(message.fields)
    })
    this.finishFailed()
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.known === undefined || this.error() !== undefined) return
    try {
      this.batch.push(this.known.reader(bytes, start + 5, end))
    } catch (thrown) {
      this.known.onFailure?.()
      this.onError(ValueError.fromThrown(thrown))
      this.finishFailed()
    }
  }

  /** The consumer is told at once: its leaving cancels the statement, which may have any number of rows to come. */
  private finishFailed(): void {
    if (!this.abandoned && this.error() !== undefined) this.finish()
  }

  /** The rows that have not been offered yet: at the end, those of the last chunk. */
  takeBatch(): Array<Row> {
    const batch = this.batch
    this.batch = []
    return batch
  }

  override backpressure(): Effect.Effect<void> | undefined {
    return this.batch.length === 0 || this.abandoned ? undefined : this.outlet.offer(this.takeBatch())
  }

  protected result(): void {}
}

/** COPY TO STDOUT: what a reader makes of the data is handed out as it comes. */
export class CopyOut<A> extends Base<string> {
  override copies: "in" | "out" | undefined = "out"
  private readonly reader: CopyReader<A>
  private readonly outlet: Outlet<A>
  private batch: Array<A> = []
  private commandTag = ""
  /** Whether the server has begun to copy: a statement that is no COPY TO STDOUT never does. */
  started = false

  constructor(
    state: number,
    reader: CopyReader<A>,
    outlet: Outlet<A>,
    done: (exit: Exit.Exit<string, Failure>) => void
  ) {
    super(state, done)
    this.reader = reader
    this.outlet = outlet
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

  /** The consumer is told at once: its leaving cancels the statement, which may have any amount of data to come. */
  private fail(thrown: unknown): void {
    this.onError(ValueError.fromThrown(thrown))
    this.finish()
  }

  takeBatch(): Array<A> {
    const batch = this.batch
    this.batch = []
    return batch
  }

  override backpressure(): Effect.Effect<void> | undefined {
    return this.batch.length === 0 || this.abandoned ? undefined : this.outlet.offer(this.takeBatch())
  }

  protected result(): string {
    return this.commandTag
  }
}

/** COPY FROM STDIN: somebody is told when the server is ready for the data. */
export class CopyIn extends Base<string> {
  override copies: "in" | "out" | undefined = "in"
  private readonly ready: () => void
  private commandTag = ""

  constructor(state: number, ready: () => void, done: (exit: Exit.Exit<string, Failure>) => void) {
    super(state, done)
    this.ready = ready
  }

  onMessage(message: Backend.Message): void {
    if (message._tag === "CopyInResponse") {
      // There is data for one COPY only.
      this.copies = undefined
      this.ready()
    } else if (message._tag === "CommandComplete") this.commandTag = message.commandTag
  }

  protected result(): string {
    return this.commandTag
  }
}
