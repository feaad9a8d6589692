/**
 * The Bind messages of a prepared statement, by one function.
 *
 * Values choose how they are sent, together with the types that the server has said ({@link Parameter.encoderIn}). Most
 * statements are given values of the same kinds again and again: after some messages there is a function for them, which
 * writes the whole frame, and what stays the same of it as constants. It is generated code, or closures where `new Function`
 * is forbidden. Where a value is of another kind, or wrong, the same frame is put together value by value.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Writer from "@hyperfect/protocol/ByteWriter"
import { Bind } from "@hyperfect/protocol/frontend/Bind"
import * as Wire from "@hyperfect/protocol/Wire"
import * as InlineWrites from "./internal/inlineWrites.ts"
import { type Column, rewind } from "./internal/rowWriteClosures.ts"
import * as Generated from "./internal/rowWriteGenerated.ts"
import * as Parameter from "./Parameter.ts"
import type * as Type from "./Type.ts"

/**
 * Appends a Bind message with these values.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason`, which says the parameter, or a `ProtocolError.Reason` when the message becomes too
 * long, and leaves `out` as it was before.
 *
 * @category models
 * @since 0.1.0
 */
export type BindWriter = (out: ByteWriter, values: ReadonlyArray<unknown>) => void

/**
 * What stays the same in all Bind messages of a statement.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the prepared statement. */
  readonly statement: string
  /** The name of the portal; the unnamed one when left out. */
  readonly portal?: string | undefined
  /** The types that ParameterDescription has said; `undefined` for one that is not known here. */
  readonly types: ReadonlyArray<Type.Any | undefined>
  /** The formats that the columns are wanted in. */
  readonly resultFormats: ReadonlyArray<Type.Format>
  /** `"closures"` to have no code generated. */
  readonly backEnd?: Wire.BackEnd | undefined
}

/** How many messages with values of the same kinds come before a function is compiled for them: about where it pays. */
const messagesBeforeCompiling = 64

/** How many messages a compiled function may have to leave to others before it is given up. */
const maxMisses = 64

/** Beyond this many parameters generated code would no longer be optimised well. */
const maxGeneratedParameters = 256

/** What a Bind message says, with the encoders of its values. */
interface Message {
  readonly statement: string
  readonly portal?: string | undefined
  readonly encoders: ReadonlyArray<Parameter.Encoder>
  readonly resultFormats: ReadonlyArray<Type.Format>
}

const writeFrame = Wire.writerUnsafe(Bind)

const writeMessage = (out: ByteWriter, message: Message, parameters: Wire.Writable): void => {
  const { encoders, portal = "", resultFormats, statement } = message
  writeFrame(out, {
    _tag: "Bind",
    portal,
    statement,
    parameterFormats: Parameter.formats(encoders),
    parameters: Wire.inPlace(parameters),
    resultFormats
  })
}

/**
 * Appends one Bind message, with values whose encoders are known.
 *
 * **When to use**
 *
 * Use for a statement that is not prepared under a name, and so runs once. It throws and takes back as a
 * {@link BindWriter} does.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeUnsafe = (
  out: ByteWriter,
  message: {
    readonly statement: string
    readonly portal?: string | undefined
    readonly encoders: ReadonlyArray<Parameter.Encoder>
    readonly values: ReadonlyArray<unknown>
    readonly resultFormats: ReadonlyArray<Type.Format>
  }
): void => writeMessage(out, message, Parameter.writable(message.encoders, message.values))

/** The bytes of the frame around the parameters. */
const frameAround = (message: Message): Generated.Frame => {
  const out = Writer.make(256)
  let split = 0
  writeMessage(out, message, {
    writeTo: (out) => {
      out.int16(message.encoders.length)
      split = out.size
    }
  })
  const frame = out.take()
  return { before: frame.slice(0, split), after: frame.slice(split), limit: Bind.definition.limit }
}

/** A parameter for generated code, whose values are all to be sent as one was. */
const columnOf = (type: Type.Any | undefined, encoder: Parameter.Encoder, index: number): Column => {
  const inline = InlineWrites.find(encoder.write)
  const isInline = inline !== undefined && Parameter.encoderIn(inline.sample, type) === encoder
  return {
    name: `$${index + 1}`,
    typeName: "parameter",
    format: encoder.format,
    write: isInline ? encoder.write : (out, value, typeModifier) => {
      if (Parameter.isParameter(value) || Parameter.encoderIn(value, type) !== encoder) throw anotherKind
      encoder.write(out, value, typeModifier)
    },
    typeModifier: -1,
    nullable: true,
    size: -1
  }
}

/** As generated code does it, with closures. `other` is given what was not sent like this before. */
const byClosures = (
  types: ReadonlyArray<Type.Any | undefined>,
  encoders: ReadonlyArray<Parameter.Encoder>,
  { after, before, limit }: Generated.Frame,
  other: BindWriter
): BindWriter => {
  // Numbers are all sent alike, and there are many of them.
  const ofNumbers = types.map((type) => Parameter.encoderIn(0, type))
  const encoderOf = (value: unknown, i: number) =>
    typeof value === "number" ? ofNumbers[i] : Parameter.encoderIn(value, types[i])
  const write = (out: ByteWriter, values: ReadonlyArray<unknown>): boolean => {
    if (values.length !== encoders.length) return false
    const size = out.size
    out.copy(before)
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      const encoder = encoders[i]!
      if (value !== null && encoderOf(value, i) !== encoder) return false
      Parameter.write(out, encoder, value)
    }
    out.copy(after)
    const length = out.size - size - 1
    out.setInt32(out.position - length, length)
    return length <= limit
  }
  return (out, values) => {
    const size = out.size
    try {
      if (write(out, values)) return
    } catch {
      // The other one finds it again, and says it.
    }
    rewind(out, size)
    other(out, values)
  }
}

/** Has generated code leave a message to others. */
const anotherKind = new Error("a value of another kind")

/**
 * A writer of Bind messages for one prepared statement.
 *
 * **Example** (Two messages)
 *
 * ```ts
 * import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
 * import * as BindWriter from "@hyperfect/values/BindWriter"
 * import * as BuiltIn from "@hyperfect/values/BuiltIn"
 * import { strict as assert } from "node:assert"
 *
 * const write = BindWriter.make({ statement: "s1", types: [BuiltIn.int8, BuiltIn.text], resultFormats: [1] })
 * const out = ByteWriter.make()
 * write(out, [1, "one"])
 * write(out, [BigInt(2), null])
 * assert.equal(out.size, 40 + 37)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): BindWriter => {
  const { backEnd = Wire.defaultBackEnd, portal, resultFormats, statement, types } = options
  const count = types.length
  // How the last values that were not NULL have been sent, and how often it was the same for all of them.
  const kinds = new Array<Parameter.Encoder | undefined>(count).fill(undefined)
  let alike = 0
  let misses = 0
  let compiled: BindWriter | undefined
  let compiles = true

  const one = (out: ByteWriter, values: ReadonlyArray<unknown>): void => {
    const encoders = Parameter.encodersIn(values, types)
    writeUnsafe(out, { statement, portal, encoders, values, resultFormats })
    if (compiles) learn(values, encoders)
  }

  const learn = (values: ReadonlyArray<unknown>, encoders: ReadonlyArray<Parameter.Encoder>): void => {
    if (compiled !== undefined && ++misses > maxMisses) {
      compiled = undefined
      compiles = false
      return
    }
    alike++
    for (let i = 0; i < count; i++) {
      if (values[i] === null || kinds[i] === encoders[i]) continue
      kinds[i] = encoders[i]
      alike = 0
      compiled = undefined
    }
    if (alike < messagesBeforeCompiling || compiled !== undefined) return
    const known = kinds.map((kind, i) => kind ?? encoders[i]!)
    const around = frameAround({ statement, portal, encoders: known, resultFormats })
    if (backEnd === "closures" || count > maxGeneratedParameters) {
      compiled = byClosures(types, known, around, one)
      return
    }
    const columns = known.map((encoder, i) => columnOf(types[i], encoder, i))
    const write = Generated.make<ReadonlyArray<unknown>>(columns, "array", "postgres", one, around)
    compiled = (out, values) => write(out, values, 0)
  }

  return (out, values) => compiled === undefined ? one(out, values) : compiled(out, values)
}
