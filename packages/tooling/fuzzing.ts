/**
 * A fuzzer of the decoders: it changes frames at random, and looks whether what has to hold still holds.
 *
 * For every input, however broken: both back ends give the same messages and the same reason; cutting the input elsewhere
 * changes neither; what was read is written to the same bytes again; its trace is one line, and its JSON form leads back
 * to it. Anything thrown that is no reason breaks the law too. An input whose outcome nobody has seen before is kept and
 * changed further: that is what drives the search into the corners.
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

/** Who reads the bytes, and in which phase. */
export const targets = ["backend", "startup", "password", "sasl-initial", "sasl", "gss", "replication"] as const
export type Target = (typeof targets)[number]

export interface Input {
  readonly target: Target
  readonly bytes: Uint8Array
}

/** What became of an input, in words that are the same for inputs that take the same way through the code. */
export type Outcome = string

interface Result {
  readonly messages: ReadonlyArray<Trace.Message>
  readonly frames: ReadonlyArray<Uint8Array>
  readonly reason: ProtocolError.Reason | undefined
}

/** What should hold, and did not. */
export class LawBroken extends Error {
  readonly input: Input

  constructor(law: string, input: Input) {
    super(`${law}: ${input.target} ${Buffer.from(input.bytes).toString("hex")}`)
    this.input = input
  }
}

/** A small generator of random numbers, so that a seed is all that is needed to run again. */
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

const reader = (target: Target, backEnd: Wire.BackEnd): Wire.ReadFrame<Trace.Message> =>
  target === "backend"
    ? Backend.readerUnsafe({ backEnd })
    : target === "replication"
    ? Replication.readerUnsafe(backEnd)
    : Frontend.readerUnsafe(target, { backEnd })

const readers = new Map(targets.map((target) => [target, {
  generated: reader(target, "generated"),
  closures: reader(target, "closures")
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

const decode = ({ bytes, target }: Input, backEnd: Wire.BackEnd, cuts: ReadonlyArray<number>): Result => {
  const messages: Array<Trace.Message> = []
  const frames: Array<Uint8Array> = []
  const read = readers.get(target)![backEnd]
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
    throw new LawBroken(`${message._tag} is written to other bytes than it was read from`, input)
  }
  const of = family(target)
  const from = of === "replication"
    ? message._tag === "XLogData" || message._tag === "PrimaryKeepalive" ? "backend" : "frontend"
    : of
  for (const redact of [true, false]) {
    if (/[\n\r\u2028\u2029]/.test(Trace.line(from, message, { redact }))) {
      throw new LawBroken(`the trace of ${message._tag} is not one line`, input)
    }
  }
  const json: unknown = JSON.parse(JSON.stringify(toJson[of](message as never)))
  if (!Equal.equals(fromJson[of](json), message)) {
    throw new LawBroken(`the JSON form of ${message._tag} leads elsewhere`, input)
  }
}

const digits = /\d+/g

/** Checks every law for an input, and says what became of it. Throws a `LawBroken`. */
export const check = (input: Input, random: Random): Outcome => {
  const cuts = Array.from({ length: random(4) }, () => random(input.bytes.length + 1)).sort((a, b) => a - b)
  let whole: Result
  try {
    whole = decode(input, "generated", [])
    for (const [backEnd, where] of [["closures", []], ["generated", cuts], ["closures", cuts]] as const) {
      const other = decode(input, backEnd, where)
      if (!Equal.equals([other.messages, other.reason], [whole.messages, whole.reason])) {
        throw new LawBroken(`${backEnd} code gives another outcome for chunks cut at ${where.join(", ")}`, input)
      }
    }
    whole.messages.forEach((message, i) => checkMessage(input, message, whole.frames[i]!))
  } catch (thrown) {
    if (thrown instanceof LawBroken) throw thrown
    throw new LawBroken(`something else was thrown (${String(thrown)})`, input)
  }
  const { messages, reason } = whole
  const what = reason === undefined
    ? messages[0]?._tag ?? "nothing"
    : `${reason._tag} ${reason.messageName}.${reason.field.replaceAll(digits, "n")}`
  return `${input.target}: ${what}`
}

const interesting = [
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

/** Makes the length of the first frame say what it is, so that a change gets past the framing. */
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

/** Changes an input in one to four places. */
export const mutate = (input: Input, other: Input, random: Random): Input => {
  let bytes: Uint8Array = input.bytes.slice(0, maxLength)
  for (let steps = 1 + random(4); steps > 0; steps--) {
    const at = random(bytes.length + 1)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const value = interesting[random(interesting.length)]!
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

/** Some whole messages of every kind, to begin with. */
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

export interface Found {
  readonly input: Input
  readonly outcome: Outcome
}

/** Runs for as long as `more` says so. Yields inputs with an outcome that was not known before. Throws a `LawBroken`. */
export const fuzz = function*(
  start: ReadonlyArray<Input>,
  known: ReadonlySet<Outcome>,
  random: Random,
  more: (runs: number) => boolean
): Generator<Found> {
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
