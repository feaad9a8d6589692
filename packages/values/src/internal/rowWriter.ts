/**
 * Compiles the writers of rows for COPY.
 *
 * @internal
 */
import * as Wire from "@hyperfect/protocol/Wire"
import type * as RowWriter from "../RowWriter.ts"
import * as Type from "../Type.ts"
import * as ValueError from "../ValueError.ts"
import * as Closures from "./rowWriteClosures.ts"
import * as Generated from "./rowWriteGenerated.ts"

/** Beyond this many columns generated code would no longer be optimised well. */
const maxGeneratedColumns = 256

export const make = <Row>(
  columns: ReadonlyArray<RowWriter.Column>,
  shape: Closures.Shape,
  framing: Closures.Framing,
  backEnd: Wire.BackEnd | undefined
): RowWriter.RowWriter<Row> => {
  const format = framing === "hyper" ? Type.hyperBinary : Type.binary
  const plan = columns.map(({ name, nullable = true, type, typeModifier = -1 }, index): Closures.Column => {
    const codec = Type.codec(type, format)
    if (codec === undefined) {
      throw ValueError.atColumn(
        ValueError.reason("FormatUnsupported", type.name, format, "a type that exists in this format", type.name),
        name,
        index
      )
    }
    const size = framing === "hyper" ? type.hyper!.size(typeModifier) : -1
    return { name, typeName: type.name, format, write: codec.write, typeModifier, nullable, size }
  })
  const closures = Closures.make<Row>(plan, shape, framing)
  return (backEnd ?? Wire.defaultBackEnd) === "closures" || plan.length > maxGeneratedColumns
    ? closures
    : Generated.make(plan, shape, framing, closures)
}
