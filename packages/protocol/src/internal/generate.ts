/**
 * Readers and writers of a layout as generated code.
 *
 * Generated code covers the fast path only. On any error it returns `explain(...)`, which runs the closures of
 * `interpret` over the same message to throw the precise failure. The two back ends therefore cannot disagree on
 * errors, and the generated code stays small.
 *
 * @internal
 */
import type { ByteWriter } from "../ByteWriter.ts"
import * as Layout from "../Layout.ts"
import * as Utf8 from "../Utf8.ts"
import { readInt32Code, readInt64 } from "./bigEndian.ts"
import { type Code, code, join, property } from "./codegen.ts"
import { characters, type DecodeText, isWritable, writeSized } from "./interpret.ts"

/** Reads the fields of a message from `bytes[at, end)`. */
export type ReadBody = (bytes: Uint8Array, at: number, end: number) => unknown

/** Writes the fields of a message. */
export type WriteBody = (out: ByteWriter, message: unknown) => void

const intReadCode: Record<Layout.Int["type"], Code> = {
  Int8: code`(b[at] << 24) >> 24`,
  UInt8: code`b[at]`,
  Int16: code`((b[at] << 24) >> 16) | b[at + 1]`,
  UInt16: code`(b[at] << 8) | b[at + 1]`,
  Int32: readInt32Code(code`at`),
  UInt32: code`(${readInt32Code(code`at`)}) >>> 0`,
  Int64: code`${readInt64}(b, at)`
}

/** Collects the statements of one generated function, and numbers its variables. */
class SourceBuilder {
  readonly lines: Array<Code> = []
  hasViews = false
  /** The statement that passes the message to the closures. */
  readonly refuse: Code
  private count = 0

  constructor(refuse: Code) {
    this.refuse = refuse
  }

  add(...lines: ReadonlyArray<Code>): void {
    this.lines.push(...lines)
  }

  refuseIf(condition: Code): Code {
    return code`if (${condition}) ${this.refuse}`
  }

  variable(): Code {
    return code`v${this.count++}`
  }

  /** Creates a view of some bytes, cheaper than by `subarray`, which has to look up the array's species (M-06). */
  view(length: Code | number): Code {
    this.hasViews = true
    return code`new Uint8Array(buffer, offset + at, ${length})`
  }
}

const isFixed = (layout: Layout.Layout): boolean => layout._tag === "Int" || layout._tag === "Char"

/** Adds the code that reads one value and returns the expression that holds it. */
const emitReadValue = (source: SourceBuilder, layout: Layout.Layout, decodeText: DecodeText, checked = false): Code => {
  const value = source.variable()
  const need = (size: number) => {
    if (!checked) source.add(source.refuseIf(code`at + ${size} > end`))
  }
  switch (layout._tag) {
    case "Int": {
      const size = Layout.intSize(layout)
      need(size)
      source.add(code`const ${value} = ${intReadCode[layout.type]}`, code`at += ${size}`)
      return value
    }
    case "Char": {
      need(1)
      const wrong = layout.allowed === undefined
        ? code`b[at] === 0`
        : join(layout.allowed.map((character) => code`b[at] !== ${character.charCodeAt(0)}`), " && ")
      source.add(source.refuseIf(wrong), code`const ${value} = ${characters}[b[at++]]`)
      return value
    }
    case "CString": {
      const zero = source.variable()
      source.add(
        code`let ${zero} = at`,
        code`while (${zero} < end && b[${zero}] !== 0) ${zero}++`,
        source.refuseIf(code`${zero} === end`),
        code`const ${value} = ${decodeText}(b, at, ${zero})`,
        source.refuseIf(code`${value} === undefined`),
        code`at = ${zero} + 1`
      )
      return value
    }
    case "Bytes":
      need(layout.length)
      source.add(code`const ${value} = ${source.view(layout.length)}`, code`at += ${layout.length}`)
      return value
    case "Rest":
      if (layout.minimum > 0) source.add(source.refuseIf(code`end - at < ${layout.minimum}`))
      if (layout.maximum < Infinity) source.add(source.refuseIf(code`end - at > ${layout.maximum}`))
      source.add(code`const ${value} = ${source.view(code`end - at`)}`, code`at = end`)
      return value
    case "Nullable": {
      const length = source.variable()
      need(4)
      source.add(
        code`const ${length} = ${intReadCode.Int32}`,
        code`at += 4`,
        code`let ${value} = null`,
        code`if (${length} !== -1) {`,
        source.refuseIf(code`${length} < 0 || ${length} > end - at`),
        code`${value} = ${source.view(length)}`,
        code`at += ${length}`,
        code`}`
      )
      return value
    }
    case "Counted": {
      const length = emitReadValue(source, layout.count, decodeText)
      const index = source.variable()
      source.add(
        source.refuseIf(code`${length} < 0 || ${length} * ${Layout.minimumSize(layout.item)} > end - at`),
        code`const ${value} = new Array(${length})`,
        code`for (let ${index} = 0; ${index} < ${length}; ${index}++) {`
      )
      source.add(code`${value}[${index}] = ${emitReadValue(source, layout.item, decodeText)}`, code`}`)
      return value
    }
    case "Terminated":
      source.add(
        code`const ${value} = []`,
        code`while (true) {`,
        source.refuseIf(code`at >= end`),
        code`if (b[at] === 0) break`,
        source.refuseIf(code`${value}.length === ${Layout.maxTerminatedItems}`)
      )
      source.add(code`${value}.push(${emitReadValue(source, layout.item, decodeText)})`, code`}`, code`at++`)
      return value
    case "Struct":
      return emitReadFields(source, layout, undefined, decodeText)
  }
}

const emitReadFields = (
  source: SourceBuilder,
  layout: Layout.Struct,
  tag: string | undefined,
  decodeText: DecodeText
): Code => {
  const entries = tag === undefined ? [] : [property("_tag", code`${tag}`)]
  let checkedUntil = 0
  layout.fields.forEach((field, i) => {
    if (i >= checkedUntil && isFixed(field.layout)) {
      // One bounds check for a run of fixed-size fields.
      let size = 0
      for (checkedUntil = i; checkedUntil < layout.fields.length; checkedUntil++) {
        const next = layout.fields[checkedUntil]!.layout
        if (!isFixed(next)) break
        size += Layout.minimumSize(next)
      }
      source.add(source.refuseIf(code`at + ${size} > end`))
    }
    entries.push(property(field.name, emitReadValue(source, field.layout, decodeText, i < checkedUntil)))
  })
  return code`{ ${join(entries, ", ")} }`
}

/** Returns the source of a `ReadBody`. `explain` throws the failure of a message. */
export const reader = (layout: Layout.Struct, tag: string, decodeText: DecodeText, explain: ReadBody): Code => {
  const source = new SourceBuilder(code`return ${explain}(b, at0, end)`)
  const value = emitReadFields(source, layout, tag, decodeText)
  const views = source.hasViews ? code`const buffer = b.buffer, offset = b.byteOffset` : code``
  return code`(b, at0, end) => {
${views}
let at = at0
${join(source.lines)}
${source.refuseIf(code`at !== end`)}
return ${value}
}`
}

const intWriteCode = {
  1: (v: Code) => code`w.uint8(${v})`,
  2: (v: Code) => code`w.int16(${v})`,
  4: (v: Code) => code`w.int32(${v})`,
  8: (v: Code) => code`w.int64(${v})`
}

// Checks the type first: arithmetic on a bigint or a symbol throws.
const intInvalidCode: Record<Layout.Int["type"], (value: Code) => Code> = {
  Int8: (v) => code`typeof ${v} !== "number" || ${v} !== (${v} << 24) >> 24`,
  UInt8: (v) => code`typeof ${v} !== "number" || ${v} !== (${v} & 255)`,
  Int16: (v) => code`typeof ${v} !== "number" || ${v} !== (${v} << 16) >> 16`,
  UInt16: (v) => code`typeof ${v} !== "number" || ${v} !== (${v} & 65535)`,
  Int32: (v) => code`typeof ${v} !== "number" || ${v} !== (${v} | 0)`,
  UInt32: (v) => code`typeof ${v} !== "number" || ${v} !== ${v} >>> 0`,
  Int64: (v) => code`typeof ${v} !== "bigint" || BigInt.asIntN(64, ${v}) !== ${v}`
}

const emitWriteValue = (source: SourceBuilder, layout: Layout.Layout, value: Code): void => {
  switch (layout._tag) {
    case "Int":
      source.add(source.refuseIf(intInvalidCode[layout.type](value)), intWriteCode[Layout.intSize(layout)](value))
      return
    case "CString":
      source.add(source.refuseIf(code`!${cstring}(w, ${value})`))
      return
    case "Nullable":
      source.add(
        code`if (${value} === null) w.int32(-1)`,
        code`else if (${value} instanceof Uint8Array) { w.int32(${value}.length); w.copy(${value}) }`,
        code`else if (${isWritable}(${value})) ${writeSized}(w, ${value})`,
        code`else ${source.refuse}`
      )
      return
    case "Rest":
      source.add(
        source.refuseIf(
          code`!(${value} instanceof Uint8Array) || ${value}.length < ${layout.minimum} || ${value}.length > ${layout.maximum}`
        ),
        code`w.copy(${value})`
      )
      return
    case "Bytes":
      source.add(
        source.refuseIf(code`!(${value} instanceof Uint8Array) || ${value}.length !== ${layout.length}`),
        code`w.copy(${value})`
      )
      return
    case "Char": {
      const unit = source.variable()
      const allowed = layout.allowed?.map((character) => code`${value} !== ${character}`)
      source.add(
        source.refuseIf(code`typeof ${value} !== "string" || ${value}.length !== 1`),
        code`const ${unit} = ${value}.charCodeAt(0)`,
        source.refuseIf(allowed === undefined ? code`${unit} === 0 || ${unit} > 255` : join(allowed, " && ")),
        code`w.uint8(${unit})`
      )
      return
    }
    case "Counted": {
      const [, maximum] = Layout.ranges[layout.count.type as "UInt16"]
      source.add(
        code`if (Array.isArray(${value})) {`,
        source.refuseIf(code`${value}.length > ${maximum}`),
        intWriteCode[Layout.intSize(layout.count)](code`${value}.length`)
      )
      emitWriteItems(source, layout.item, value, undefined)
      source.add(code`} else if (${isWritable}(${value})) ${value}.writeTo(w)`, code`else ${source.refuse}`)
      return
    }
    case "Terminated":
      source.add(source.refuseIf(code`!Array.isArray(${value}) || ${value}.length > ${Layout.maxTerminatedItems}`))
      emitWriteItems(source, layout.item, value, source.refuseIf(code`w.bytes[from] === 0`))
      source.add(code`w.uint8(0)`)
      return
    case "Struct":
      source.add(source.refuseIf(code`typeof ${value} !== "object" || ${value} === null`))
      layout.fields.forEach((field) => {
        const variable = source.variable()
        source.add(code`const ${variable} = ${value}[${field.name}]`)
        emitWriteValue(source, field.layout, variable)
      })
  }
}

const emitWriteItems = (source: SourceBuilder, item: Layout.Layout, items: Code, after: Code | undefined): void => {
  const index = source.variable()
  const variable = source.variable()
  if (item._tag === "Int" && item.type !== "Int64") {
    // One check of the available room for all of them.
    const [bytes, at] = [source.variable(), source.variable()]
    const size = Layout.intSize(item)
    source.add(
      code`w.ensure(${items}.length * ${size})`,
      code`const ${bytes} = w.bytes`,
      code`let ${at} = w.position`,
      code`for (let ${index} = 0; ${index} < ${items}.length; ${index}++) {`,
      code`const ${variable} = ${items}[${index}]`,
      source.refuseIf(intInvalidCode[item.type](variable))
    )
    for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      source.add(code`${bytes}[${at}++] = ${variable} >> ${shift}`)
    }
    source.add(code`}`, code`w.position = ${at}`)
    return
  }
  source.add(
    code`for (let ${index} = 0; ${index} < ${items}.length; ${index}++) {`,
    code`const ${variable} = ${items}[${index}]`
  )
  if (after !== undefined) source.add(code`const from = w.position`)
  emitWriteValue(source, item, variable)
  source.add(after ?? code``, code`}`)
}

/** Writes a string and its terminator, or returns false if the string is not allowed on the wire. */
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

/** Returns the source of a `WriteBody`. `explain` throws the failure of a message. */
export const writer = (layout: Layout.Struct, explain: WriteBody): Code => {
  const source = new SourceBuilder(code`return ${explain}(w, m)`)
  emitWriteValue(source, layout, code`m`)
  return code`(w, m) => {
${join(source.lines)}
}`
}
