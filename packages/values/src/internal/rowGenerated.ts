/**
 * Row readers as generated code.
 *
 * The code takes the straight road only: wherever something is wrong, it hands the row to the closures of `rowClosures`,
 * which find it again and throw the precise reason. So the two cannot disagree on errors, and the code stays small.
 *
 * Nothing of what a server sent gets into the code but the names of the columns, as JSON string literals, and numbers.
 *
 * @internal
 */
import * as InlineReads from "./inlineReads.ts"
import type { Column } from "./rowPlan.ts"

type ReadRow<Row> = (bytes: Uint8Array, start: number, end: number) => Row

/** In an object literal `"__proto__"` sets the prototype, `["__proto__"]` is a property like others. */
const property = (name: string): string => name === "__proto__" ? `["__proto__"]` : JSON.stringify(name)

const column = ({ read }: Column, index: number): string => {
  const inline = InlineReads.find(read)
  const sizes = inline === undefined || inline.size === undefined ? "n < 0 || n > e - p" : `n !== ${inline.size}`
  const value = inline === undefined ? `read${index}(b, p, p + n, m${index})` : inline.code
  return `
    if (p + 4 > e) return slow(b, s, e)
    n = (b[p] << 24) | (b[p + 1] << 16) | (b[p + 2] << 8) | b[p + 3]
    p += 4
    if (n === -1) v${index} = null
    else {
      if (${sizes}) return slow(b, s, e)
      v${index} = ${value}
      p += n
    }`
}

export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: "object" | "array",
  slow: ReadRow<Row>
): ReadRow<Row> => {
  const count = columns.length
  const values = columns.map((_, index) => `v${index}`)
  const row = shape === "array"
    ? `[${values.join(", ")}]`
    : `{ ${columns.map(({ name }, index) => `${property(name)}: v${index}`).join(", ")} }`
  const body = `"use strict"
${
    columns.map((_, index) => `const read${index} = columns[${index}].read, m${index} = columns[${index}].typeModifier`)
      .join("\n")
  }
const { ${InlineReads.names.join(", ")} } = tools
return (b, s, e) => {
  let p = s + 2, n = 0${values.map((value) => `, ${value}`).join("")}
  if (p > e || ((b[s] << 8) | b[s + 1]) !== ${count}) return slow(b, s, e)
  try {${columns.map(column).join("")}
  } catch {
    return slow(b, s, e)
  }
  return p === e ? ${row} : slow(b, s, e)
}`
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  return new Function("columns", "slow", "tools", body)(columns, slow, InlineReads.tools) as ReadRow<Row>
}

/**
 * Row readers for more columns than code that reads them would be optimised well for: the closures read an array, and code
 * that is nothing but a literal makes an object of it. An object that is put together one property at a time is a slow one
 * from some hundred properties on, and so is its making (measured on Node 24).
 */
export const wide = <Row>(
  columns: ReadonlyArray<Column>,
  readArray: ReadRow<ReadonlyArray<unknown>>
): ReadRow<Row> => {
  const literal = columns.map(({ name }, index) => `${property(name)}: v[${index}]`).join(", ")
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  const toObject = new Function("v", `return { ${literal} }`) as (values: ReadonlyArray<unknown>) => Row
  return (bytes, start, end) => toObject(readArray(bytes, start, end))
}
