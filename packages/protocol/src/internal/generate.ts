/**
 * Readers and writers of a layout as generated code.
 *
 * The code takes the straight road only. Wherever something is wrong it returns `explain(...)`, which runs the closures
 * of `interpret` over the same message to throw the precise failure; so the two back ends cannot disagree on errors, and
 * the generated code stays small.
 *
 * @internal
 */
import type { ByteWriter } from "../ByteWriter.ts"
import * as Layout from "../Layout.ts"
import * as Utf8 from "../Utf8.ts"
import { characters, type DecodeText, isWritable, writeSized } from "./interpret.ts"

/** Reads the fields of a message from `bytes[at, end)`. */
export type ReadBody = (bytes: Uint8Array, at: number, end: number) => unknown

/** Writes the fields of a message. */
export type WriteBody = (out: ByteWriter, message: unknown) => void

/** Whether this runtime lets code be made from strings. */
export const isAllowed: boolean = (() => {
  try {
    return new Function("return true")() === true
  } catch {
    return false
  }
})()

const key = (name: string) => JSON.stringify(name)

const intReads: Record<Layout.Int["type"], (at: string) => string> = {
  Int8: (at) => `(b[${at}] << 24) >> 24`,
  UInt8: (at) => `b[${at}]`,
  Int16: (at) => `((b[${at}] << 24) >> 16) | b[${at} + 1]`,
  UInt16: (at) => `(b[${at}] << 8) | b[${at} + 1]`,
  Int32: (at) => `(b[${at}] << 24) | (b[${at} + 1] << 16) | (b[${at} + 2] << 8) | b[${at} + 3]`,
  UInt32: (at) => `((b[${at}] << 24) | (b[${at} + 1] << 16) | (b[${at} + 2] << 8) | b[${at} + 3]) >>> 0`,
  Int64: (at) => `int64(b, ${at})`
}

const int64 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0)

/** Numbers the variables of one generated function. */
class Source {
  readonly lines: Array<string> = []
  private count = 0

  add(...lines: ReadonlyArray<string>): void {
    this.lines.push(...lines)
  }

  variable(): string {
    return `v${this.count++}`
  }
}

/** A view of some bytes. Half the price of `subarray`, which has to find out what kind of array to make (measured). */
const view = (at: string, length: number | string): string => `new Uint8Array(buffer, offset + ${at}, ${length})`

const isFixed = (layout: Layout.Layout): boolean => layout._tag === "Int" || layout._tag === "Char"

/** Adds the code that reads one value and returns the expression that holds it. */
const readValue = (source: Source, layout: Layout.Layout, checked = false): string => {
  const value = source.variable()
  const need = (size: number | string) => {
    if (!checked) source.add(`if (at + ${size} > end) return explain(b, at0, end)`)
  }
  switch (layout._tag) {
    case "Int": {
      const size = Layout.intSize(layout)
      need(size)
      source.add(`const ${value} = ${intReads[layout.type]("at")}`, `at += ${size}`)
      return value
    }
    case "Char": {
      need(1)
      const allowed = layout.allowed?.map((character) => character.charCodeAt(0))
      const wrong = allowed === undefined ? `b[at] === 0` : allowed.map((code) => `b[at] !== ${code}`).join(" && ")
      source.add(`if (${wrong}) return explain(b, at0, end)`, `const ${value} = characters[b[at++]]`)
      return value
    }
    case "CString": {
      const zero = source.variable()
      source.add(
        `let ${zero} = at`,
        `while (${zero} < end && b[${zero}] !== 0) ${zero}++`,
        `if (${zero} === end) return explain(b, at0, end)`,
        `const ${value} = text(b, at, ${zero})`,
        `if (${value} === undefined) return explain(b, at0, end)`,
        `at = ${zero} + 1`
      )
      return value
    }
    case "Bytes":
      need(layout.length)
      source.add(`const ${value} = ${view("at", layout.length)}`, `at += ${layout.length}`)
      return value
    case "Rest":
      if (layout.minimum > 0) source.add(`if (end - at < ${layout.minimum}) return explain(b, at0, end)`)
      if (layout.maximum < Infinity) source.add(`if (end - at > ${layout.maximum}) return explain(b, at0, end)`)
      source.add(`const ${value} = ${view("at", "end - at")}`, `at = end`)
      return value
    case "Nullable": {
      const length = source.variable()
      need(4)
      source.add(
        `const ${length} = ${intReads.Int32("at")}`,
        `at += 4`,
        `let ${value} = null`,
        `if (${length} !== -1) {`,
        `if (${length} < 0 || ${length} > end - at) return explain(b, at0, end)`,
        `${value} = ${view("at", length)}`,
        `at += ${length}`,
        `}`
      )
      return value
    }
    case "Counted": {
      const length = readValue(source, layout.count)
      const index = source.variable()
      source.add(
        `if (${length} < 0 || ${length} * ${Layout.minimumSize(layout.item)} > end - at) return explain(b, at0, end)`,
        `const ${value} = new Array(${length})`,
        `for (let ${index} = 0; ${index} < ${length}; ${index}++) {`
      )
      source.add(`${value}[${index}] = ${readValue(source, layout.item)}`, `}`)
      return value
    }
    case "Terminated":
      source.add(
        `const ${value} = []`,
        `while (true) {`,
        `if (at >= end) return explain(b, at0, end)`,
        `if (b[at] === 0) break`
      )
      source.add(`${value}.push(${readValue(source, layout.item)})`, `}`, `at++`)
      return value
    case "Struct":
      return readFields(source, layout, undefined)
  }
}

const readFields = (source: Source, layout: Layout.Struct, tag: string | undefined): string => {
  const entries = tag === undefined ? [] : [`"_tag": ${key(tag)}`]
  let checkedUntil = 0
  layout.fields.forEach((field, i) => {
    if (i >= checkedUntil && isFixed(field.layout)) {
      // One bounds check for a run of fields of fixed size.
      let size = 0
      for (checkedUntil = i; checkedUntil < layout.fields.length; checkedUntil++) {
        const next = layout.fields[checkedUntil]!.layout
        if (!isFixed(next)) break
        size += Layout.minimumSize(next)
      }
      source.add(`if (at + ${size} > end) return explain(b, at0, end)`)
    }
    entries.push(`${key(field.name)}: ${readValue(source, field.layout, i < checkedUntil)}`)
  })
  return `{ ${entries.join(", ")} }`
}

/** @internal */
export const reader = (
  layout: Layout.Struct,
  tag: string,
  decodeText: DecodeText,
  explain: ReadBody
): ReadBody => {
  const source = new Source()
  const value = readFields(source, layout, tag)
  const body = `"use strict"
return (b, at0, end) => {
${
    source.lines.some((line) => line.includes("buffer"))
      ? "const buffer = b.buffer, offset = b.byteOffset\n"
      : ""
  }let at = at0
${source.lines.join("\n")}
if (at !== end) return explain(b, at0, end)
return ${value}
}`
  return new Function("text", "characters", "int64", "explain", body)(decodeText, characters, int64, explain)
}

const intWrites: Record<Layout.Int["type"], (value: string) => string> = {
  Int8: (v) => `w.uint8(${v})`,
  UInt8: (v) => `w.uint8(${v})`,
  Int16: (v) => `w.int16(${v})`,
  UInt16: (v) => `w.int16(${v})`,
  Int32: (v) => `w.int32(${v})`,
  UInt32: (v) => `w.int32(${v})`,
  Int64: (v) => `w.int64(${v})`
}

// The type first: arithmetic on a bigint or a symbol throws.
const intWrong: Record<Layout.Int["type"], (value: string) => string> = {
  Int8: (v) => `typeof ${v} !== "number" || ${v} !== (${v} << 24) >> 24`,
  UInt8: (v) => `typeof ${v} !== "number" || ${v} !== (${v} & 255)`,
  Int16: (v) => `typeof ${v} !== "number" || ${v} !== (${v} << 16) >> 16`,
  UInt16: (v) => `typeof ${v} !== "number" || ${v} !== (${v} & 65535)`,
  Int32: (v) => `typeof ${v} !== "number" || ${v} !== (${v} | 0)`,
  UInt32: (v) => `typeof ${v} !== "number" || ${v} !== ${v} >>> 0`,
  Int64: (v) => `typeof ${v} !== "bigint" || BigInt.asIntN(64, ${v}) !== ${v}`
}

const writeValue = (source: Source, layout: Layout.Layout, value: string): void => {
  switch (layout._tag) {
    case "Int":
      source.add(`if (${intWrong[layout.type](value)}) return explain(w, m)`, intWrites[layout.type](value))
      return
    case "CString":
      source.add(`if (!cstring(w, ${value})) return explain(w, m)`)
      return
    case "Nullable":
      source.add(
        `if (${value} === null) w.int32(-1)`,
        `else if (${value} instanceof Uint8Array) { w.int32(${value}.length); w.copy(${value}) }`,
        `else if (isWritable(${value})) writeSized(w, ${value})`,
        `else return explain(w, m)`
      )
      return
    case "Rest":
      source.add(
        `if (!(${value} instanceof Uint8Array) || ${value}.length < ${layout.minimum} || ${value}.length > ${layout.maximum}) return explain(w, m)`,
        `w.copy(${value})`
      )
      return
    case "Bytes":
      source.add(
        `if (!(${value} instanceof Uint8Array) || ${value}.length !== ${layout.length}) return explain(w, m)`,
        `w.copy(${value})`
      )
      return
    case "Char": {
      const code = source.variable()
      const allowed = layout.allowed?.map((character) => `${value} !== ${key(character)}`).join(" && ")
      source.add(
        `if (typeof ${value} !== "string" || ${value}.length !== 1) return explain(w, m)`,
        `const ${code} = ${value}.charCodeAt(0)`,
        `if (${allowed ?? `${code} === 0 || ${code} > 255`}) return explain(w, m)`,
        `w.uint8(${code})`
      )
      return
    }
    case "Counted": {
      const [, maximum] = Layout.ranges[layout.count.type as "UInt16"]
      source.add(
        `if (Array.isArray(${value})) {`,
        `if (${value}.length > ${maximum}) return explain(w, m)`,
        intWrites[layout.count.type](`${value}.length`)
      )
      writeItems(source, layout.item, value, undefined)
      source.add(`} else if (isWritable(${value})) ${value}.writeTo(w)`, `else return explain(w, m)`)
      return
    }
    case "Terminated":
      source.add(`if (!Array.isArray(${value})) return explain(w, m)`)
      writeItems(source, layout.item, value, "if (w.bytes[from] === 0) return explain(w, m)")
      source.add(`w.uint8(0)`)
      return
    case "Struct":
      source.add(`if (typeof ${value} !== "object" || ${value} === null) return explain(w, m)`)
      layout.fields.forEach((field) => {
        const variable = source.variable()
        source.add(`const ${variable} = ${value}[${key(field.name)}]`)
        writeValue(source, field.layout, variable)
      })
  }
}

const writeItems = (source: Source, item: Layout.Layout, items: string, after: string | undefined): void => {
  const index = source.variable()
  const variable = source.variable()
  if (item._tag === "Int" && item.type !== "Int64") {
    // One look at the room for all of them.
    const [bytes, at] = [source.variable(), source.variable()]
    const size = Layout.intSize(item)
    source.add(
      `w.ensure(${items}.length * ${size})`,
      `const ${bytes} = w.bytes`,
      `let ${at} = w.position`,
      `for (let ${index} = 0; ${index} < ${items}.length; ${index}++) {`,
      `const ${variable} = ${items}[${index}]`,
      `if (${intWrong[item.type](variable)}) return explain(w, m)`
    )
    for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) source.add(`${bytes}[${at}++] = ${variable} >> ${shift}`)
    source.add(`}`, `w.position = ${at}`)
    return
  }
  source.add(
    `for (let ${index} = 0; ${index} < ${items}.length; ${index}++) {`,
    `const ${variable} = ${items}[${index}]`
  )
  if (after !== undefined) source.add(`const from = w.position`)
  writeValue(source, item, variable)
  if (after !== undefined) source.add(after)
  source.add(`}`)
}

/** Writes a string and its terminator, or returns false when it may not go on the wire. */
const cstring = (out: ByteWriter, value: unknown): boolean => {
  if (typeof value !== "string") return false
  out.ensure(value.length * 3 + 1)
  const { bytes, position } = out
  const size = Utf8.writeNoNul(value, bytes, position)
  if (size < 0) return false
  bytes[position + size] = 0
  out.position = position + size + 1
  return true
}

/** @internal */
export const writer = (layout: Layout.Struct, explain: WriteBody): WriteBody => {
  const source = new Source()
  writeValue(source, layout, "m")
  const body = `"use strict"
return (w, m) => {
${source.lines.join("\n")}
}`
  return new Function("cstring", "isWritable", "writeSized", "explain", body)(cstring, isWritable, writeSized, explain)
}
