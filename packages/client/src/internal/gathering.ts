/**
 * The exchanges that gather a result and give it as a whole.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { ColumnReader } from "@hyperfect/values/Columns"
import type { RowReader } from "@hyperfect/values/RowReader"
import * as ValueError from "@hyperfect/values/ValueError"
import type * as Exit from "effect/Exit"
import type { Executed } from "../Queries.ts"
import type { Failure } from "../QueryError.ts"
import { type ColumnsResult, type FieldDescription, type Result, rowCount } from "../Result.ts"
import { states } from "./exchange.ts"
import { Base, type Describe } from "./exchanges.ts"
import { mayCopy } from "./nature.ts"
import type { IntoColumns, Rows } from "./reading.ts"

const noFields: ReadonlyArray<FieldDescription> = []

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

  /** A COPY that wants data is told that there is none before anything else is sent, which it would take for data. */
  override get isDialogue(): boolean {
    return mayCopy(this.text)
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

const nobody = (): never => {
  throw new Error("nobody asks it")
}

/**
 * One of each kind, never used: V8 forgets what objects of a class look like when it has found none of them twice while it
 * collected garbage, and with it all code that it had optimised for them, which here is that of a whole session.
 */
export const kept: ReadonlyArray<Base<never>> = [
  new Collect<never>(states.Ended, nobody, undefined, nobody),
  new CollectColumns(states.Ended, nobody, undefined, nobody),
  new Execute(states.Ended, nobody, undefined, nobody),
  new Simple<never>(states.Ended, nobody, nobody)
] as unknown as ReadonlyArray<Base<never>>
