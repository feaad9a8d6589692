/**
 * Floating-point numbers in Hyper's text format, which has only 15 of their digits (H-09).
 *
 * @internal
 */
import type { FieldDescription } from "@hyperfect/protocol/backend/RowDescription"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import { holdsType } from "./typeParts.ts"

const floatOids = TypeRegistry.oidsOf("float")

const instead = "`query`, `values` or `stream`, which read all digits"

type Types = Pick<TypeRegistry.TypeRegistry, "find">

/** Throws a `ValueError.Reason` for columns whose values may be inexact in text. */
export const refuseFloats = (fields: ReadonlyArray<FieldDescription>, types: Types): void => {
  for (const [index, { name, typeOid }] of fields.entries()) {
    const type = types.find(typeOid)
    if (type === undefined || !holdsType(type, floatOids)) continue
    const reason = ValueError.reason("FormatUnsupported", type.name, 0, instead, "a text of 15 digits")
    throw ValueError.atColumn(reason, name, index)
  }
}
