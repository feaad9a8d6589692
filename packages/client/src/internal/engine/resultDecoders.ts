/**
 * Decoders of the rows of a result.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Columns from "@hyperfect/values/Columns"
import * as Preset from "@hyperfect/values/Preset"
import * as Readers from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import type { FieldDescription } from "../../QueryResult.ts"

/** The columns of a result, and the callback for rows that cannot be decoded. */
export interface ResultDescription {
  readonly fields: ReadonlyArray<FieldDescription>
  readonly onFailure: (() => void) | undefined
}

/** A decoder of rows. */
export interface RowsDecoder<Row> extends ResultDescription {
  readonly reader: Readers.RowReader<Row>
}

/** A decoder into columns, with a new reader for each result. */
export interface ColumnsDecoder extends ResultDescription {
  readonly makeReader: () => Columns.ColumnReader
}

/** Throws a `ProtocolError.Reason` if a column has another format than requested: its bytes would be misread. */
export const checkFormats = (fields: ReadonlyArray<RowDescription.FieldDescription>, format: Type.Format): void => {
  for (let i = 0; i < fields.length; i++) {
    const found = fields[i]!.format
    if (found === format) continue
    throw ProtocolError.reason("ValueInvalid", "RowDescription", `fields[${i}].format`, 0, `${format}`, `${found}`)
  }
}

/** The decoders of one result for one preset, created on first use. */
export class ResultDecoders {
  readonly fields: ReadonlyArray<FieldDescription>
  readonly formats: ReadonlyArray<Type.Format>
  private objectsDecoder: RowsDecoder<Readers.ObjectRow> | undefined
  private arraysDecoder: RowsDecoder<Readers.ArrayRow> | undefined
  private columnsDecoder: ColumnsDecoder | undefined
  private readonly onFailure: (() => void) | undefined
  private readonly duplicates: Readers.Duplicates

  /**
   * Creates the decoders. `formatOf` returns the format of the values of a type; `onFailure` is called when a row
   * cannot be decoded.
   */
  constructor(
    described: ReadonlyArray<RowDescription.FieldDescription>,
    preset: Preset.Preset,
    registry: Pick<TypeRegistry.TypeRegistry, "find">,
    formatOf: (type: Type.Any | undefined) => Type.Format,
    onFailure?: () => void
  ) {
    this.onFailure = onFailure
    this.duplicates = Preset.duplicates(preset)
    this.fields = Preset.typed(preset, described, registry)
    this.formats = this.fields.map(({ type }) => formatOf(type))
  }

  /** Throws a `ValueError.Reason` if two columns have the same name, unless the preset has a rule for them. */
  objects(): RowsDecoder<Readers.ObjectRow> {
    return this.objectsDecoder ??= { ...this.description(), reader: Readers.objectsUnsafe(this.readerOptions()) }
  }

  arrays(): RowsDecoder<Readers.ArrayRow> {
    return this.arraysDecoder ??= { ...this.description(), reader: Readers.arraysUnsafe(this.readerOptions()) }
  }

  columns(): ColumnsDecoder {
    return this.columnsDecoder ??= { ...this.description(), makeReader: Columns.make(this.readerOptions()) }
  }

  private description(): ResultDescription {
    return { fields: this.fields, onFailure: this.onFailure }
  }

  private readerOptions(): Readers.Options {
    return { columns: this.fields, formats: this.formats, duplicates: this.duplicates }
  }
}
