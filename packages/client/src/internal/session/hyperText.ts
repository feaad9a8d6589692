/**
 * Floating-point numbers in Hyper's text format, which has only 15 of their digits (H-09).
 *
 * @internal
 */
import type * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import { holdsType } from "./typeParts.ts"

const floatOids = TypeRegistry.oidsOf("float")

/**
 * Throws a `ValueError.Reason` for columns whose values may be inexact in text. `instead` names the lossless
 * alternative.
 */
export const refuseFloats = (
  columns: ReadonlyArray<{ readonly name: string; readonly type: Type.Any | undefined }>,
  instead: string
): void => {
  for (const [index, { name, type }] of columns.entries()) {
    if (type === undefined || !holdsType(type, floatOids)) continue
    const reason = ValueError.reason("FormatUnsupported", type.name, 0, instead, "a text of 15 digits")
    throw ValueError.atColumn(reason, name, index)
  }
}
