/**
 * Compiles the row writers for COPY.
 *
 * @internal
 */
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import type * as RowWriter from "../../RowWriter.ts"
import * as Type from "../../Type.ts"
import * as ValueError from "../../ValueError.ts"
import * as Generated from "./generated.ts"
import * as Interpreted from "./interpreted.ts"

export const make = <Row>(
  columns: ReadonlyArray<RowWriter.Column>,
  shape: Interpreted.RowShape,
  framing: Interpreted.Framing,
  codegen: Codegen.Codegen | undefined
): RowWriter.RowWriter<Row> => {
  const format = framing === "hyper" ? Type.hyperBinary : Type.binary
  const plan = columns.map(({ name, nullable = true, type, typeModifier = -1 }, index): Interpreted.Column => {
    const codec = Type.codec(type, format)
    if (codec === undefined) {
      throw ValueError.atColumn(ValueError.noCodec(type.name, format, "a type that exists in this format"), name, index)
    }
    const size = framing === "hyper" ? type.hyper!.size(typeModifier) : -1
    return { name, typeName: type.name, format, write: codec.write, typeModifier, nullable, size }
  })
  const interpreted = Interpreted.make<Row>(plan, shape, framing)
  return Codegen.compile({
    codegen,
    fields: plan.length,
    interpreted,
    generated: () => Generated.source(plan, shape, framing, interpreted)
  })
}
