/**
 * Writes the Bind messages of a prepared statement.
 *
 * The encoding depends on each value and on the parameter types that the server described
 * ({@link Parameter.describedEncoder}). Most statements receive values of the same kinds again and again, so after some
 * messages the writer switches to a function specialised for those kinds, which writes the whole frame and has its
 * constant parts built in. That function is generated code, or closures where `new Function` is forbidden or there are
 * too many parameters. If a value is of another kind, or invalid, the frame is encoded value by value instead.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Writer from "@hyperfect/protocol/ByteWriter"
import { Bind } from "@hyperfect/protocol/frontend/Bind"
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import * as Wire from "@hyperfect/protocol/Wire"
import * as Inline from "./internal/codec/inline.ts"
import * as Generated from "./internal/writers/generated.ts"
import * as Interpreted from "./internal/writers/interpreted.ts"
import * as Parameter from "./Parameter.ts"
import type * as Type from "./Type.ts"

/**
 * Appends a Bind message with the given values.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason` that names the parameter, or a `ProtocolError.Reason` if the message is too long.
 * If it throws, `out` is left unchanged.
 *
 * @category models
 * @since 0.1.0
 */
export type BindWriter = (out: ByteWriter, values: ReadonlyArray<unknown>) => void

/**
 * The constant parts of a statement's Bind messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the prepared statement. */
  readonly statement: string
  /** The name of the portal; the unnamed portal by default. */
  readonly portal?: string | undefined
  /** The parameter types from ParameterDescription; `undefined` for a type that is not in the registry. */
  readonly types: ReadonlyArray<Type.Any | undefined>
  /** The requested formats of the result columns. */
  readonly resultFormats: ReadonlyArray<Type.Format>
  /** `"interpreted"` disables code generation. */
  readonly codegen?: Wire.Codegen | undefined
}

/**
 * The number of consecutive messages with values of the same kinds before a function is compiled for them; roughly the
 * break-even point.
 */
const messagesBeforeCompiling = 64

/** The number of messages that a compiled function may fail to handle before it is discarded. */
const maxMisses = 64

/** The contents of a Bind message, with the encoders of its values. */
interface Message extends Pick<Options, "statement" | "portal" | "resultFormats"> {
  readonly encoders: ReadonlyArray<Parameter.Encoder>
}

const writeFrame = Wire.writerUnsafe(Bind)

const writeMessage = (out: ByteWriter, message: Message, parameters: Wire.Writable): void => {
  const { encoders, portal = "", resultFormats, statement } = message
  writeFrame(out, {
    _tag: "Bind",
    portal,
    statement,
    parameterFormats: Parameter.formats(encoders),
    parameters: Wire.asBytes(parameters),
    resultFormats
  })
}

/**
 * Appends one Bind message with values whose encoders are known.
 *
 * **When to use**
 *
 * Use for a statement that is executed once and has no name. On an error it throws and restores `out` as a
 * {@link BindWriter} does.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeUnsafe = (out: ByteWriter, message: Message & { readonly values: ReadonlyArray<unknown> }): void => {
  const { encoders, values } = message
  try {
    writeMessage(out, message, Parameter.writable(encoders, values))
  } catch (thrown) {
    const others = Parameter.alternativeEncoders(encoders, thrown)
    if (others === undefined) throw thrown
    writeUnsafe(out, { ...message, encoders: others })
  }
}

/** Returns the bytes of the frame before and after the parameters. */
const messageFrame = (message: Message): Generated.MessageFrame => {
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

/** Describes a parameter for generated code, which uses one encoder for all its values. */
const parameterColumn = (type: Type.Any | undefined, encoder: Parameter.Encoder, index: number): Interpreted.Column => {
  const inline = Inline.find(encoder.write)?.write
  const isInline = inline !== undefined && Parameter.describedEncoder(inline.sample, type) === encoder
  return {
    name: `$${index + 1}`,
    typeName: "parameter",
    format: encoder.format,
    write: isInline ? encoder.write : (out, value, typeModifier) => {
      if (Parameter.isParameter(value) || Parameter.describedEncoder(value, type) !== encoder) throw encoderMismatch
      encoder.write(out, value, typeModifier)
    },
    typeModifier: -1,
    nullable: true,
    size: -1
  }
}

/** Makes specialised code fall back to value-by-value encoding. */
const encoderMismatch = new Error("a value of another kind, or too many bytes")

type WriteValues = Interpreted.WriteRow<ReadonlyArray<unknown>>

const interpretedWriter = (
  columns: ReadonlyArray<Interpreted.Column>,
  { after, before, limit }: Generated.MessageFrame,
  other: BindWriter
): WriteValues => {
  const write: WriteValues = Interpreted.make(columns, "array", {
    ...Interpreted.framings.postgres,
    begin: (out) => out.copy(before),
    end: (out) => out.copy(after)
  })
  return (out, values) => {
    const start = out.size
    try {
      write(out, values, 0)
      const length = out.size - start - 1
      if (length > limit) throw encoderMismatch
      out.setInt32(out.position - length, length)
    } catch {
      Interpreted.rewind(out, start)
      other(out, values)
    }
  }
}

/**
 * Creates a writer of Bind messages for one prepared statement.
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
  const { codegen, portal, resultFormats, statement, types } = options
  const count = types.length
  // The encoders of the latest values that were not NULL, and for how many consecutive messages they stayed the same.
  const kinds = new Array<Parameter.Encoder | undefined>(count).fill(undefined)
  const alike = new Codegen.UseCount(messagesBeforeCompiling)
  let misses = 0
  let compiled: WriteValues | undefined
  let compiles = true

  const writeOne = (out: ByteWriter, values: ReadonlyArray<unknown>): void => {
    const encoders = Parameter.describedEncoders(values, types)
    writeUnsafe(out, { statement, portal, encoders, values, resultFormats })
    if (compiles) compileWhenStable(values, encoders)
  }

  const compileWhenStable = (values: ReadonlyArray<unknown>, encoders: ReadonlyArray<Parameter.Encoder>): void => {
    if (compiled !== undefined && ++misses > maxMisses) {
      compiled = undefined
      compiles = false
      return
    }
    for (let i = 0; i < count; i++) {
      if (values[i] === null || kinds[i] === encoders[i]) continue
      kinds[i] = encoders[i]
      alike.restart()
      compiled = undefined
    }
    if (!alike.reaches()) return
    const known = kinds.map((kind, i) => kind ?? encoders[i]!)
    const around = messageFrame({ statement, portal, encoders: known, resultFormats })
    const columns = known.map((encoder, i) => parameterColumn(types[i], encoder, i))
    compiled = Codegen.compile({
      codegen,
      fields: count,
      interpreted: interpretedWriter(columns, around, writeOne),
      generated: () => Generated.source(columns, "array", "postgres", writeOne, around)
    })
  }

  return (out, values) => compiled === undefined ? writeOne(out, values) : compiled(out, values, 0)
}
