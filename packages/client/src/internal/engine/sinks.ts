/**
 * Sinks that buffer the result and return it as a whole.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import type { ColumnReader } from "@hyperfect/values/Columns"
import type { ExecuteResult } from "../../Queries.ts"
import { type ColumnsResult, type FieldDescription, type QueryResult, rowCount } from "../../QueryResult.ts"
import { Exchange, flows, Sink } from "./exchange.ts"
import type { ColumnsDecoder, ResultDescription, RowsDecoder } from "./resultDecoders.ts"

/**
 * Makes the decoder of a result from its columns. Returns `undefined` if types of the columns have to be looked up
 * first; with `isFinal` it never does, since the caller cannot wait for a lookup. Throws a `ValueError.Reason`.
 */
export type MakeDecoder<K> = (
  fields: ReadonlyArray<RowDescription.FieldDescription>,
  isFinal?: boolean
) => K | undefined

const noFields: ReadonlyArray<FieldDescription> = []

/** Drops everything that the server sends. */
export class Discard extends Sink<void> {
  result(): void {}
}

/** Keeps only the command tag and its number of rows. */
export class Summary extends Sink<ExecuteResult> {
  override restart(): void {
    this.commandTag = ""
  }

  result(): ExecuteResult {
    const { commandTag } = this
    return { commandTag, rowCount: rowCount(commandTag) }
  }
}

/** The server's description of a prepared statement. */
export interface StatementDescription {
  readonly parameterTypes: ReadonlyArray<number>
  readonly fields: ReadonlyArray<RowDescription.FieldDescription>
}

/** Keeps the description of a statement. */
export class DescriptionSink extends Sink<StatementDescription> {
  private parameterTypes: ReadonlyArray<number> = []
  private fields: ReadonlyArray<RowDescription.FieldDescription> = []

  override onMessage(message: Backend.Message): void {
    if (message._tag === "ParameterDescription") this.parameterTypes = message.parameterTypes
    else if (message._tag === "RowDescription") this.fields = message.fields
  }

  override restart(): void {}

  result(): StatementDescription {
    return { parameterTypes: this.parameterTypes, fields: this.fields }
  }
}

/** The rows of one statement. */
abstract class Decoded<K extends ResultDescription, A> extends Sink<A> {
  private readonly describe: MakeDecoder<K>
  /** The decoder that was known before the statement was run. */
  private readonly initiallyKnown: K | undefined
  protected known: K | undefined
  /** The frames of rows whose types are not known yet. */
  private pendingRows:
    | { readonly fields: ReadonlyArray<RowDescription.FieldDescription>; readonly rows: Array<Uint8Array> }
    | undefined

  constructor(describe: MakeDecoder<K>, known: K | undefined) {
    super()
    this.describe = describe
    this.initiallyKnown = known
    this.known = known
  }

  /** Drops the rows. */
  protected abstract clear(): void

  override onMessage(message: Backend.Message): void {
    if (message._tag === "CommandComplete") this.commandTag = message.commandTag
    else if (message._tag === "RowDescription") {
      const { fields } = message
      this.known = this.describe(fields)
      if (this.known === undefined) this.pendingRows = { fields, rows: [] }
    }
  }

  /** Buffers a row that cannot be decoded yet. */
  protected keep(bytes: Uint8Array, start: number, end: number): void {
    this.pendingRows?.rows.push(bytes.slice(start, end))
  }

  override onUndecodable(): void {
    this.known?.onFailure?.()
  }

  override onError(): void {
    this.clear()
  }

  override restart(): void {
    this.commandTag = ""
    this.known = this.initiallyKnown
    this.pendingRows = undefined
    this.clear()
  }

  override undecodedTypes(): ReadonlyArray<number> | undefined {
    return this.pendingRows?.fields.map(({ typeOid }) => typeOid)
  }

  override decode(): void {
    const { pendingRows } = this
    if (pendingRows === undefined) return
    this.pendingRows = undefined
    this.known = this.describe(pendingRows.fields, true)!
    for (const row of pendingRows.rows) this.onDataRow(row, 0, row.length)
  }
}

/** Collects the rows of one statement. */
export class Rows<Row> extends Decoded<RowsDecoder<Row>, QueryResult<Row>> {
  private rows: Array<Row> = []

  protected clear(): void {
    this.rows = []
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.known === undefined) return this.keep(bytes, start, end)
    this.rows.push(this.known.reader(bytes, start + 5, end))
  }

  result(): QueryResult<Row> {
    const { commandTag, known, rows } = this
    return { rows, fields: known?.fields ?? noFields, commandTag, rowCount: rowCount(commandTag) }
  }
}

/** Collects the rows of one statement as columns. */
export class Columns extends Decoded<ColumnsDecoder, ColumnsResult> {
  private reader: ColumnReader | undefined = undefined

  protected clear(): void {
    this.reader = undefined
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.known === undefined) return this.keep(bytes, start, end)
    this.reader ??= this.known.makeReader()
    this.reader.append(bytes, start + 5, end)
  }

  result(): ColumnsResult {
    const { commandTag, known } = this
    const columns = (this.reader ?? known?.makeReader())?.take() ?? []
    return { columns, fields: known?.fields ?? noFields, commandTag, rowCount: rowCount(commandTag) }
  }
}

/** Collects the results of several statements, each in a sink that is made at its first message. */
export class Results<Row> extends Sink<ReadonlyArray<QueryResult<Row>>> {
  /** The number of statements that completed before the first error. */
  completed = 0
  private readonly make: (index: number) => Rows<Row>
  private parts: Array<Rows<Row>> = []
  private current: Rows<Row> | undefined = undefined

  constructor(make: (index: number) => Rows<Row>) {
    super()
    this.make = make
  }

  override onMessage(message: Backend.Message): void {
    if (this.current === undefined) this.parts.push(this.current = this.make(this.parts.length))
    this.current.onMessage(message)
    if (message._tag !== "CommandComplete" && message._tag !== "EmptyQueryResponse") return
    this.current = undefined
    this.completed++
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    this.current?.onDataRow(bytes, start, end)
  }

  override onUndecodable(): void {
    for (const part of this.parts) part.onUndecodable()
  }

  override onError(): void {
    this.current?.onError()
  }

  override restart(): void {
    this.completed = 0
    this.parts = []
    this.current = undefined
  }

  override undecodedTypes(): ReadonlyArray<number> | undefined {
    const oids = this.parts.flatMap((part) => part.undecodedTypes() ?? [])
    return oids.length === 0 ? undefined : oids
  }

  override decode(): void {
    for (const part of this.parts) part.decode()
  }

  /** The results of the statements before the one that failed. */
  get resultsBefore(): ReadonlyArray<QueryResult<Row>> {
    return this.parts.slice(0, this.completed).map((part) => part.result())
  }

  result(): ReadonlyArray<QueryResult<Row>> {
    return this.parts.map((part) => part.result())
  }
}

/** The part of a plan that concerns the result. */
interface Expected<K> {
  readonly describe: MakeDecoder<K>
  /** The decoder of the result, if its columns are already known. */
  readonly known: K | undefined
}

export const makeRows = <Row>({ describe, known }: Expected<RowsDecoder<Row>>): Rows<Row> => new Rows(describe, known)
export const makeColumns = ({ describe, known }: Expected<ColumnsDecoder>): Columns => new Columns(describe, known)
export const makeSummary = (): Summary => new Summary()

const neverCalled = (): never => {
  throw new Error("neverCalled was called")
}

/**
 * One instance of each kind, never used. V8 drops the hidden class of a class when two garbage collections find no
 * instances of it, and with it all code optimized for it, which here is the code of a whole session.
 */
export const retainHiddenClasses: ReadonlyArray<unknown> = [
  new Exchange(flows.bind, new Rows<never>(neverCalled, undefined)),
  new Exchange(flows.bind, new Columns(neverCalled, undefined)),
  new Exchange(flows.bind, new Summary()),
  new Exchange(flows.simple, new Results<never>(neverCalled))
]
