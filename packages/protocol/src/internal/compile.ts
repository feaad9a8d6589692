/**
 * Compiles a definition to the functions that read and write its frames: the header here, the fields by one of the two
 * back ends.
 *
 * @internal
 */
import { memoize } from "effect/Function"
import type { ByteWriter } from "../ByteWriter.ts"
import { type Reason, reason } from "../ProtocolError.ts"
import * as Utf8 from "../Utf8.ts"
import { readInt32 } from "./bigEndian.ts"
import * as Codegen from "./codegen.ts"
import type { Definition } from "./definition.ts"
import { toReason, trailingBytes } from "./failure.ts"
import * as Generate from "./generate.ts"
import * as Interpret from "./interpret.ts"

/**
 * Texts from servers are mostly recurring names and tags, and are cached; texts from clients may be secrets, and are
 * not.
 */
const decodeTextOf = (definition: Definition): Interpret.DecodeText =>
  definition.from === "backend" ? Utf8.decodeCached : Utf8.decode

const interpretedBodyReader = (definition: Definition): Generate.ReadBody => {
  const read = Interpret.structReader(definition.layout, definition.name, decodeTextOf(definition))
  return (bytes, at, end) => {
    const cursor: Interpret.Cursor = { bytes, at, end }
    const frame = at - headerSize(definition)
    let value: unknown
    try {
      value = read(cursor)
    } catch (thrown) {
      throw toReason(thrown, definition.name, frame)
    }
    if (cursor.at !== end) throw trailingBytes(definition.name, cursor.at - frame, end - cursor.at)
    return value
  }
}

/**
 * The number of bytes before the fields: the tag if there is one, the length unless another message carries this one,
 * the code if any.
 */
export const headerSize = (definition: Definition): number =>
  (definition.tag === undefined ? 0 : 1) + (definition.carriedBy === undefined ? 4 : 0) +
  (definition.code === undefined ? 0 : 4)

/** Compiles each definition once: functions created per connection would have to be optimised again on each. */
const compileOnce = <A extends object>(compile: (definition: Definition, codegen: Codegen.Codegen) => A) => {
  const compiled = Codegen.perCodegen((codegen: Codegen.Codegen) =>
    memoize((definition: Definition) => compile(definition, codegen))
  )
  return (definition: Definition, codegen: Codegen.Codegen): A => compiled(codegen)(definition)
}

/** Returns the function that reads the fields of a message whose header was already checked. */
export const bodyReader = compileOnce((definition, codegen): Generate.ReadBody => {
  const explain = interpretedBodyReader(definition)
  if (definition.layout.fields.length === 0) {
    // A message without fields is always the same value.
    const value = Object.freeze({ _tag: definition.name })
    return (bytes, at, end) => at === end ? value : explain(bytes, at, end)
  }
  const [field] = definition.layout.fields
  if (definition.layout.fields.length === 1 && field!.layout._tag === "Char" && field!.layout.allowed !== undefined) {
    // A message with one field of a few allowed characters has few values: ReadyForQuery.
    const values: Array<unknown> = []
    for (const character of field!.layout.allowed) {
      values[character.charCodeAt(0)] = Object.freeze({ _tag: definition.name, [field!.name]: character })
    }
    return (bytes, at, end) => (at + 1 === end ? values[bytes[at]!] : undefined) ?? explain(bytes, at, end)
  }
  const { layout, name } = definition
  return Codegen.compile({
    codegen,
    fields: layout.fields.length,
    interpreted: explain,
    generated: () => Generate.reader(layout, name, decodeTextOf(definition), explain)
  })
})

/** Returns the function that reads one message from its whole frame and checks the header. */
export const frameReader = (definition: Definition, codegen: Codegen.Codegen) => {
  const body = bodyReader(definition, codegen)
  const { code, limit, name } = definition
  const tag = definition.tag?.charCodeAt(0)
  const lengthAt = tag === undefined ? 0 : 1
  const size = headerSize(definition)
  const isCarried = definition.carriedBy !== undefined
  const refusal = (tag: Reason["_tag"], offset: number, wanted: string, found: string): Reason =>
    reason(tag, name, "", offset, wanted, found)
  return (bytes: Uint8Array, start: number, end: number): unknown => {
    if (end - start < size) throw refusal("Truncated", 0, `at least ${size} bytes`, `${end - start} bytes`)
    if (tag !== undefined && bytes[start] !== tag) {
      throw refusal("TagUnknown", 0, JSON.stringify(definition.tag), JSON.stringify(String.fromCharCode(bytes[start]!)))
    }
    const length = isCarried ? end - start - lengthAt : readInt32(bytes, start + lengthAt)
    if (length !== end - start - lengthAt) {
      throw refusal("LengthInvalid", lengthAt, `${end - start - lengthAt}`, `${length}`)
    }
    if (length > limit) throw refusal("LengthExceeded", lengthAt, `at most ${limit} bytes`, `${length} bytes`)
    if (code !== undefined && readInt32(bytes, start + lengthAt + 4) !== code) {
      throw refusal("ValueInvalid", lengthAt + 4, `the code ${code}`, `${readInt32(bytes, start + lengthAt + 4)}`)
    }
    return body(bytes, start + size, end)
  }
}

/** Returns the function that writes one message's whole frame. */
export const frameWriter = compileOnce((definition, codegen) => {
  const { code, limit, name } = definition
  const tag = definition.tag?.charCodeAt(0)
  const isCarried = definition.carriedBy !== undefined
  const interpreted = Interpret.writer(definition.layout)
  let bodyAt = 0
  const explain: Generate.WriteBody = (out, message) => {
    out.rewind(bodyAt)
    interpreted(out, message)
  }
  const body = Codegen.compile({
    codegen,
    fields: definition.layout.fields.length,
    interpreted,
    generated: () => Generate.writer(definition.layout, explain)
  })
  return (out: ByteWriter, message: unknown): void => {
    const start = out.position
    try {
      if (tag !== undefined) out.uint8(tag)
      const lengthAt = out.position
      if (!isCarried) out.int32(0)
      if (code !== undefined) out.int32(code)
      bodyAt = out.position
      body(out, message)
      const length = out.position - lengthAt
      if (length > limit) {
        throw reason("LengthExceeded", name, "", lengthAt - start, `at most ${limit} bytes`, `${length} bytes`)
      }
      if (!isCarried) out.setInt32(lengthAt, length)
    } catch (thrown) {
      out.rewind(start)
      throw toReason(thrown, name, start)
    }
  }
})
