/**
 * A fuzzer of the decoders: it mutates frames at random, and checks invariants.
 *
 * For every input, however malformed: both back ends return the same messages and the same reason; splitting the input
 * elsewhere changes neither; decoded messages encode to the same bytes again; the trace of a message is one line, and
 * its JSON form decodes back to it. Throwing anything but a reason is also a violation. An input with a new outcome is
 * kept and mutated further, which drives the search into rarely used code.
 */
import {
  Backend,
  ByteWriter,
  Frame,
  Frontend,
  Json,
  ProtocolError,
  Replication,
  Trace,
  type Wire
} from "@hyperfect/protocol"
import { Arbitrary, Effect, Equal, Schema } from "effect"

/** The reader of the bytes, and its phase. */
export const targets = ["backend", "startup", "password", "sasl-initial", "sasl", "gss", "replication"] as const
export type Target = (typeof targets)[number]

export interface Input {
  readonly target: Target
  readonly bytes: Uint8Array
}

/** The outcome of an input, as text that is the same for inputs that take the same path through the code. */
export type Outcome = string

interface Decoded {
  readonly messages: ReadonlyArray<Trace.Message>
  readonly frames: ReadonlyArray<Uint8Array>
  readonly reason: ProtocolError.Reason | undefined
}

/** An invariant that was violated. */
export class InvariantViolated extends Error {
  readonly input: Input

  constructor(law: string, input: Input) {
    super(`${law}: ${input.target} ${Buffer.from(input.bytes).toString("hex")}`)
    this.input = input
  }
}

/** A small random number generator, so that a seed is enough to reproduce a run. */
export const makeRandom = (seed: number): (below: number) => number => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

type Random = ReturnType<typeof makeRandom>

const limits = {
  backend: Backend.limits({ longLimit: 1 << 20 }),
  frontend: Frontend.limits({ longLimit: 1 << 20 })
}

const reader = (target: Target, codegen: Wire.Codegen): Wire.ReadFrame<Trace.Message> =>
  target === "backend"
    ? Backend.readerUnsafe({ codegen: codegen })
    : target === "replication"
    ? Replication.readerUnsafe(codegen)
    : Frontend.readerUnsafe(target, { codegen: codegen })

const readers = new Map(targets.map((target) => [target, {
  generated: reader(target, "generated"),
  interpreted: reader(target, "interpreted")
}]))

const writers = {
  backend: Backend.writerUnsafe() as Wire.WriteFrame<never>,
  replication: Replication.writerUnsafe() as Wire.WriteFrame<never>,
  frontend: Frontend.writerUnsafe() as Wire.WriteFrame<never>
}

const family = (target: Target): keyof typeof writers =>
  target === "backend" || target === "replication" ? target : "frontend"

const encode = (target: Target, message: Trace.Message): Uint8Array => {
  const out = ByteWriter.make(256)
  writers[family(target)](out, message as never)
  return out.take()
}

const decode = ({ bytes, target }: Input, codegen: Wire.Codegen, cuts: ReadonlyArray<number>): Decoded => {
  const messages: Array<Trace.Message> = []
  const frames: Array<Uint8Array> = []
  const read = readers.get(target)![codegen]
  try {
    if (target === "replication") {
      messages.push(read(bytes, 0, bytes.length))
      frames.push(bytes)
      return { messages, frames, reason: undefined }
    }
    const parser = Frame.makeParser(limits[target === "backend" ? "backend" : "frontend"], (buffer, start, end) => {
      messages.push(read(buffer, start, end))
      frames.push(buffer.slice(start, end))
    })
    parser.tagged = target !== "startup"
    let at = 0
    for (const cut of [...cuts, bytes.length]) {
      parser.push(bytes.slice(at, cut))
      at = cut
    }
    const pending = parser.pending()
    return { messages, frames, reason: pending === 0 ? undefined : ProtocolError.streamEnded(pending).reason }
  } catch (thrown) {
    if (ProtocolError.isReason(thrown)) return { messages, frames, reason: thrown }
    throw thrown
  }
}

const codecs = { backend: Json.Backend, frontend: Json.Frontend, replication: Json.Replication }
const toJson = {
  backend: Schema.encodeSync(codecs.backend) as (message: never) => Schema.Json,
  frontend: Schema.encodeSync(codecs.frontend) as (message: never) => Schema.Json,
  replication: Schema.encodeSync(codecs.replication) as (message: never) => Schema.Json
}
const fromJson = {
  backend: Schema.decodeUnknownSync(codecs.backend),
  frontend: Schema.decodeUnknownSync(codecs.frontend),
  replication: Schema.decodeUnknownSync(codecs.replication)
}

const checkMessage = (input: Input, message: Trace.Message, frame: Uint8Array): void => {
  const { target } = input
  if (!Equal.equals(encode(target, message), new Uint8Array(frame))) {
    throw new InvariantViolated(`${message._tag} is written to other bytes than it was read from`, input)
  }
  const of = family(target)
  const from = of === "replication"
    ? message._tag === "XLogData" || message._tag === "PrimaryKeepalive" ? "backend" : "frontend"
    : of
  for (const redact of [true, false]) {
    if (/[\n\r\u2028\u2029]/.test(Trace.formatLine(from, message, { redact }))) {
      throw new InvariantViolated(`the trace of ${message._tag} is not one line`, input)
    }
  }
  const json: unknown = JSON.parse(JSON.stringify(toJson[of](message as never)))
  if (!Equal.equals(fromJson[of](json), message)) {
    throw new InvariantViolated(`the JSON form of ${message._tag} leads elsewhere`, input)
  }
}

const digits = /\d+/g

/** Checks every invariant for an input, and returns its outcome. Throws an `InvariantViolated`. */
export const check = (input: Input, random: Random): Outcome => {
  const cuts = Array.from({ length: random(4) }, () => random(input.bytes.length + 1)).sort((a, b) => a - b)
  let whole: Decoded
  try {
    whole = decode(input, "generated", [])
    for (const [codegen, where] of [["interpreted", []], ["generated", cuts], ["interpreted", cuts]] as const) {
      const other = decode(input, codegen, where)
      if (!Equal.equals([other.messages, other.reason], [whole.messages, whole.reason])) {
        throw new InvariantViolated(
          `${codegen} code gives another outcome for chunks cut at ${where.join(", ")}`,
          input
        )
      }
    }
    whole.messages.forEach((message, i) => checkMessage(input, message, whole.frames[i]!))
  } catch (thrown) {
    if (thrown instanceof InvariantViolated) throw thrown
    throw new InvariantViolated(`something else was thrown (${String(thrown)})`, input)
  }
  const { messages, reason } = whole
  const what = reason === undefined
    ? messages[0]?._tag ?? "nothing"
    : `${reason._tag} ${reason.messageName}.${reason.field.replaceAll(digits, "n")}`
  return `${input.target}: ${what}`
}

const boundaryValues = [
  0,
  1,
  4,
  5,
  0x7f,
  0x80,
  0xff,
  0x7fff,
  0x8000,
  0xffff,
  0x3fff_ffff,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fffe,
  0xffff_ffff
]

/** Corrects the length field of the first frame, so that a mutation passes the framing. */
const repairLength = (bytes: Uint8Array, target: Target): void => {
  const at = target === "startup" ? 0 : 1
  if (target === "replication" || bytes.length < at + 4) return
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(at, bytes.length - at)
}

const splice = (bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array => {
  const out = new Uint8Array(bytes.length - remove + insert.length)
  out.set(bytes.subarray(0, at))
  out.set(insert, at)
  out.set(bytes.subarray(at + remove), at + insert.length)
  return out
}

const maxLength = 2048

/** Mutates an input in one to four places. */
export const mutate = (input: Input, other: Input, random: Random): Input => {
  let bytes: Uint8Array = input.bytes.slice(0, maxLength)
  for (let steps = 1 + random(4); steps > 0; steps--) {
    const at = random(bytes.length + 1)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const value = boundaryValues[random(boundaryValues.length)]!
    switch (random(8)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << random(8)
        break
      case 1:
        if (at < bytes.length) bytes[at] = value
        break
      case 2:
        if (at + 2 <= bytes.length) view.setUint16(at, value & 0xffff)
        break
      case 3:
        if (at + 4 <= bytes.length) view.setUint32(at, value)
        break
      case 4:
        bytes = splice(bytes, at, random(bytes.length - at + 1), new Uint8Array(0))
        break
      case 5:
        bytes = splice(bytes, at, 0, Uint8Array.from({ length: 1 + random(5) }, () => random(256)))
        break
      case 6: {
        const from = random(other.bytes.length + 1)
        bytes = splice(bytes, at, 0, other.bytes.subarray(from, from + random(64)))
        break
      }
      default: {
        const from = random(bytes.length + 1)
        bytes = splice(bytes, at, 0, bytes.slice(from, from + random(64)))
      }
    }
  }
  if (random(4) > 0) repairLength(bytes, input.target)
  return { target: random(40) === 0 ? targets[random(targets.length)]! : input.target, bytes }
}

const targetOf = (message: Wire.AnyMessage): Target => {
  const { name, tag } = message.definition
  if (tag === undefined) return "startup"
  const answers: Record<string, Target> = {
    SASLInitialResponse: "sasl-initial",
    SASLResponse: "sasl",
    GSSResponse: "gss"
  }
  return answers[name] ?? "password"
}

/** Returns some whole messages of every kind as initial inputs. */
export const seeds = (seed: number): Promise<ReadonlyArray<Input>> => {
  const all = [
    ...Backend.messages.map((message) => ["backend", message] as const),
    ...Frontend.messages.map((message) => [targetOf(message), message] as const),
    ...Replication.messages.map((message) => ["replication", message] as const)
  ]
  return Effect.runPromise(Effect.map(
    Effect.forEach(all, ([target, message]) =>
      Effect.map(
        Arbitrary.sampleEffect(Arbitrary.schema(message as Schema.Codec<Trace.Message>), { count: 4, seed }),
        (values) => values.map((value) => ({ target, bytes: encode(target, value) }))
      )),
    (inputs) => inputs.flat()
  ))
}

export interface CorpusEntry {
  readonly input: Input
  readonly outcome: Outcome
}

/** Runs while `more` returns true. Yields inputs with a new outcome. Throws an `InvariantViolated`. */
export const fuzz = function*(
  start: ReadonlyArray<Input>,
  known: ReadonlySet<Outcome>,
  random: Random,
  more: (runs: number) => boolean
): Generator<CorpusEntry> {
  const pool = [...start]
  const seen = new Set(known)
  for (let runs = 0; more(runs); runs++) {
    const input = runs < start.length
      ? start[runs]!
      : mutate(pool[random(pool.length)]!, pool[random(pool.length)]!, random)
    const outcome = check(input, random)
    if (seen.has(outcome)) continue
    seen.add(outcome)
    pool.push(input)
    yield { input, outcome }
  }
}
