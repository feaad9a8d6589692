/**
 * The codecs that generated row writers do not call but write out, because the call would cost more than the writing.
 *
 * In the code `v` is the value, `b` the writer's bytes, `w` a `DataView` over them, and `p` the position to write at, where
 * there is room.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as BuiltIn from "../BuiltIn.ts"
import type { Codec } from "../Type.ts"

export interface Inline {
  /** The number of bytes that `code` writes; `undefined` for texts. */
  readonly size: number | undefined
  /** An expression that is true for a value that the codec would refuse, or does in another way. */
  readonly refuses: string
  readonly code: string
}

export const writeText = Utf8.writeUnsafe

const isNumber = `typeof v !== "number"`

const fixed = (size: number, refuses: string, code: string): Inline => ({ size, refuses, code })

type Write = Codec<never, never>["write"]

const writes = new Map<Write | undefined, Inline>([
  [BuiltIn.bool.binary?.write, fixed(1, `typeof v !== "boolean"`, "b[p] = v ? 1 : 0")],
  [BuiltIn.bool.hyper?.write, fixed(1, `typeof v !== "boolean"`, "b[p] = v ? 1 : 0")],
  [BuiltIn.int2.binary?.write, fixed(2, `${isNumber} || v << 16 >> 16 !== v`, "w.setInt16(p, v)")],
  [BuiltIn.int2.hyper?.write, fixed(2, `${isNumber} || v << 16 >> 16 !== v`, "w.setInt16(p, v, true)")],
  [BuiltIn.int4.binary?.write, fixed(4, `${isNumber} || (v | 0) !== v`, "w.setInt32(p, v)")],
  [BuiltIn.int4.hyper?.write, fixed(4, `${isNumber} || (v | 0) !== v`, "w.setInt32(p, v, true)")],
  [BuiltIn.float8.binary?.write, fixed(8, isNumber, "w.setFloat64(p, v)")],
  [BuiltIn.float8.hyper?.write, fixed(8, isNumber, "w.setFloat64(p, v, true)")]
])

for (const type of [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar]) {
  const isText = `typeof v !== "string" || !v.isWellFormed()`
  writes.set(type.binary?.write, { size: undefined, refuses: `${isText} || v.includes("\\0")`, code: "" })
  writes.set(type.hyper?.write, { size: undefined, refuses: isText, code: "" })
}

/** The code for a writing function, if there is any. */
export const find = (write: Codec<never, unknown>["write"]): Inline | undefined => writes.get(write)
