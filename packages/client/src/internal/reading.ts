/**
 * How the rows of a result are read.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as Columns from "@hyperfect/values/Columns"
import type { ColumnReader } from "@hyperfect/values/Columns"
import * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow, RowReader } from "@hyperfect/values/RowReader"
import * as Readers from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import type { FieldDescription } from "../Result.ts"

/** The columns of a result, and who wants to know when a row cannot be read. */
interface Described {
  readonly fields: ReadonlyArray<FieldDescription>
  readonly onFailure: (() => void) | undefined
}

/** ... and what reads its rows. */
export interface Rows<Row> extends Described {
  readonly reader: RowReader<Row>
}

/** ... and what makes readers of its rows into columns, one for each time that it comes. */
export interface IntoColumns extends Described {
  readonly start: () => ColumnReader
}

/** The readers of one result by one preset, made when they are first asked for. */
export class Reading {
  readonly fields: ReadonlyArray<FieldDescription>
  readonly formats: ReadonlyArray<Type.Format>
  private asObjects: Rows<ObjectRow> | undefined
  private asArrays: Rows<ArrayRow> | undefined
  private asColumns: IntoColumns | undefined
  private readonly onFailure: (() => void) | undefined

  /** `formatOf` says in which format the values of a type come; `onFailure` is told when a row cannot be read. */
  constructor(
    described: ReadonlyArray<RowDescription.FieldDescription>,
    preset: Preset.Preset,
    registry: TypeRegistry.TypeRegistry,
    formatOf: (type: Type.Any | undefined) => Type.Format,
    onFailure?: () => void
  ) {
    this.onFailure = onFailure
    this.fields = Preset.typed(preset, described, registry)
    this.formats = this.fields.map(({ type }) => formatOf(type))
  }

  /** Throws a `ValueError.Reason` where two columns have one name, for two properties cannot have it. */
  objects(): Rows<ObjectRow> {
    return this.asObjects ??= { ...this.described(), reader: Readers.objectsUnsafe(this.options()) }
  }

  arrays(): Rows<ArrayRow> {
    return this.asArrays ??= { ...this.described(), reader: Readers.arraysUnsafe(this.options()) }
  }

  columns(): IntoColumns {
    return this.asColumns ??= { ...this.described(), start: Columns.make(this.options()) }
  }

  private described(): Described {
    return { fields: this.fields, onFailure: this.onFailure }
  }

  private options(): Readers.Options {
    return { columns: this.fields, formats: this.formats }
  }
}
