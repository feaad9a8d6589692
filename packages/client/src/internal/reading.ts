/**
 * How the rows of a result are read.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow, RowReader } from "@hyperfect/values/RowReader"
import * as Readers from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import type { FieldDescription } from "../Result.ts"

/** The shapes that a row can be read in. */
export interface Shapes {
  readonly object: ObjectRow
  readonly array: ArrayRow
}

export type Shape = keyof Shapes

/** The columns of a result and what reads them. */
export interface Known<Row> {
  readonly fields: ReadonlyArray<FieldDescription>
  readonly reader: RowReader<Row>
}

/** The readers of one result by one preset, made when they are first asked for. */
export class Reading {
  readonly fields: ReadonlyArray<FieldDescription>
  readonly formats: ReadonlyArray<Type.Format>
  private objects: Known<ObjectRow> | undefined
  private arrays: Known<ArrayRow> | undefined
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

  /** Throws a `ValueError.Reason` when the columns cannot be read in this shape: two properties cannot have one name. */
  known<S extends Shape>(shape: S): Known<Shapes[S]> {
    const { fields } = this
    const options = { columns: fields, formats: this.formats }
    const known = shape === "object"
      ? this.objects ??= { fields, reader: this.telling(Readers.objectsUnsafe(options)) }
      : this.arrays ??= { fields, reader: this.telling(Readers.arraysUnsafe(options)) }
    return known as Known<Shapes[S]>
  }

  private telling<Row>(read: RowReader<Row>): RowReader<Row> {
    const { onFailure } = this
    if (onFailure === undefined) return read
    return (bytes, start, end) => {
      try {
        return read(bytes, start, end)
      } catch (thrown) {
        onFailure()
        throw thrown
      }
    }
  }
}
