/**
 * Looks for NULL in rows.
 *
 * @internal
 */
import * as Wire from "@hyperfect/protocol/Wire"
import type { ObjectRow } from "../RowReader.ts"
import { property } from "./properties.ts"

/** Beyond this many names generated code would no longer be optimised well. */
const maxGeneratedNames = 128

/** Whether one of these properties of a row is null. Only the names get into the code, as JSON string literals. */
export const anyOf = (names: ReadonlyArray<string>): (row: ObjectRow) => boolean => {
  if (names.length === 0) return () => false
  if (Wire.defaultBackEnd === "closures" || names.length > maxGeneratedNames || names.includes("__proto__")) {
    return (row) => names.some((name) => property(row, name) === null)
  }
  const isNull = names.map((name) => `row[${JSON.stringify(name)}] === null`)
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  return new Function("row", `return ${isNull.join(" || ")}`) as (row: ObjectRow) => boolean
}
