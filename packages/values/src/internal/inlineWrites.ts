/**
 * The codecs that generated writers do not call but write out, because the call would cost more than the writing.
 *
 * In the code `v` is the value, `b` the writer's bytes, `w` a `DataView` over them, and `p` the position to write at, where
 * there is room.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as BuiltIn from "../BuiltIn.ts"
import type { Codec } from "../Type.ts"
import * as Bytes from "./bytes.ts"

/** Values of one JavaScript kind, which all take the same number of bytes, or differ in that. */
export type Inline = Fixed | Variable

interface Kind {
  /** One of the values that the code writes: whatever holds for it by its kind holds for all of them. */
  readonly sample: unknown
  /** An expression that is true for a value that the codec would refuse, or does in another way. */
  readonly refuses: string
}

export interface Fixed extends Kind {
  readonly _tag: "Fixed"
  /** The number of bytes that `code` writes. */
  readonly size: number
  readonly code: string
}

export interface Variable extends Kind {
  readonly _tag: "Variable"
  /** An expression for the most bytes that a value may take. */
  readonly room: string
  /** One of the {@link tools}, which writes `v` and returns the number of bytes, or -1 for what the codec would refuse. */
  readonly tool: keyof typeof tools
}

/** What the code may call. */
export const tools = {
  copy: Bytes.copyInto,
  writeText: Utf8.write,
  writeTextNoNul: Utf8.writeNoNul
}

const fixed = (sample: unknown, size: number, refuses: string, code: string): Inline => ({
  _tag: "Fixed",
  sample,
  size,
  refuses,
  code
})

const noNumber = `typeof v !== "number"`

const int8 = (littleEndian: boolean): Inline => {
  const [order, high, low] = littleEndian ? [", true", 4, 0] : ["", 0, 4]
  return fixed(
    BigInt(0),
    8,
    `typeof v === "bigint" ? BigInt.asIntN(64, v) !== v : !Number.isSafeInteger(v)`,
    `if (typeof v === "bigint") w.setBigInt64(p, v${order})
      else { w.setInt32(p + ${high}, Math.floor(v / 0x100000000)${order}); w.setInt32(p + ${low}, v${order}) }`
  )
}

const text = (tool: "writeText" | "writeTextNoNul"): Inline => ({
  _tag: "Variable",
  sample: "",
  refuses: `typeof v !== "string"`,
  room: "v.length * 3",
  tool
})

const bytes: Inline = {
  _tag: "Variable",
  sample: new Uint8Array(0),
  refuses: "!(v instanceof Uint8Array)",
  room: "v.length",
  tool: "copy"
}

type Write = Codec<never, never>["write"]

const writes = new Map<Write | undefined, Inline>([
  [BuiltIn.bool.binary?.write, fixed(true, 1, `typeof v !== "boolean"`, "b[p] = v ? 1 : 0")],
  [BuiltIn.bool.hyper?.write, fixed(true, 1, `typeof v !== "boolean"`, "b[p] = v ? 1 : 0")],
  [BuiltIn.int2.binary?.write, fixed(0, 2, `${noNumber} || v << 16 >> 16 !== v`, "w.setInt16(p, v)")],
  [BuiltIn.int2.hyper?.write, fixed(0, 2, `${noNumber} || v << 16 >> 16 !== v`, "w.setInt16(p, v, true)")],
  [BuiltIn.int4.binary?.write, fixed(0, 4, `${noNumber} || (v | 0) !== v`, "w.setInt32(p, v)")],
  [BuiltIn.int4.hyper?.write, fixed(0, 4, `${noNumber} || (v | 0) !== v`, "w.setInt32(p, v, true)")],
  [BuiltIn.int8.binary?.write, int8(false)],
  [BuiltIn.int8.hyper?.write, int8(true)],
  [BuiltIn.float8.binary?.write, fixed(0, 8, noNumber, "w.setFloat64(p, v)")],
  [BuiltIn.float8.hyper?.write, fixed(0, 8, noNumber, "w.setFloat64(p, v, true)")],
  [BuiltIn.bytea.binary?.write, bytes],
  [BuiltIn.bytea.hyper?.write, bytes]
])

for (const type of [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar]) {
  writes.set(type.text.write, text("writeTextNoNul"))
  writes.set(type.binary?.write, text("writeTextNoNul"))
  writes.set(type.hyper?.write, text("writeText"))
}

/** The code for a writing function, if there is any. */
export const find = (write: Codec<never, unknown>["write"]): Inline | undefined => writes.get(write)

/** Says that a function writes the values that the code for another takes in the same way. */
export const writesAlike = (write: Codec<never, never>["write"], as: Codec<never, never>["write"]): void => {
  const inline = writes.get(as)
  if (inline !== undefined) writes.set(write, inline)
}
