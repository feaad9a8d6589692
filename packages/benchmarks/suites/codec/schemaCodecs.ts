/** A5: the overhead of Schema over the plain functions, for single control messages. */
import * as Backend from "@hyperfect/protocol/Backend"
import { Schema } from "effect"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { seeded, sentence } from "./documents.ts"
import { makeDigest } from "./frames.ts"
import { idOf, sets, type Which } from "./samples.ts"

const count = 200_000

const fields = (names: ReadonlyArray<string>, typeOid: number, format: 0 | 1) =>
  names.map((name, i) => ({
    name,
    tableOid: 16_384,
    columnNumber: i + 1,
    typeOid,
    typeSize: 4,
    typeModifier: -1,
    format
  }))

/** The messages before and after the rows of a query, in turn. */
const ofQuery = (index: number): Backend.Message => {
  switch (index % 4) {
    case 0:
      return { _tag: "ParameterStatus", name: "application_name", value: `app ${index % 100}` }
    case 1:
      return { _tag: "RowDescription", fields: fields(["id", "name", "amount"], 23, 1) }
    case 2:
      return { _tag: "CommandComplete", commandTag: `SELECT ${index % 1000}` }
    default:
      return { _tag: "ReadyForQuery", status: "I" }
  }
}

/** Messages of very different lengths, with texts that are not ASCII. */
const various = (index: number): Backend.Message => {
  const next = seeded(index)
  switch (next(1000) % 5) {
    case 0:
      return {
        _tag: "NotificationResponse",
        processId: next(1e6),
        channel: `channel_${next(9)}`,
        payload: sentence(next, next(30))
      }
    case 1:
      return {
        _tag: "RowDescription",
        fields: fields(Array.from({ length: 1 + next(30) }, (_, i) => `größe_${i}`), 25, 0)
      }
    case 2:
      return { _tag: "ParameterDescription", parameterTypes: Array.from({ length: next(40) }, () => next(4000)) }
    case 3:
      return { _tag: "ParseComplete" }
    default:
      return { _tag: "BackendKeyData", processId: next(1e6), secretKey: Buffer.from(sentence(next, 3)) }
  }
}

const fixtures: Readonly<Record<Which, (index: number) => Backend.Message>> = { 0: ofQuery, 1: various }

const messages = (set: Which): ReadonlyArray<Backend.Message> =>
  Array.from({ length: count }, (_, index) => fixtures[set](index))

/** Makes an entry that converts each input; a check formats the outputs. */
const each = <A, B>(input: ReadonlyArray<A>, convert: (input: A) => B, toLine: (output: B) => string): Prepared => ({
  run: () => {
    let last: B | undefined
    for (const item of input) last = convert(item)
    return last
  },
  check: () => {
    const digest = makeDigest()
    for (const item of input) digest.add(toLine(convert(item)))
    return Promise.resolve(digest.end())
  }
})

const decoding = (set: Which, name: string, decode: () => (frame: Uint8Array) => Backend.Message): Entry => ({
  name,
  kind: "ours",
  setup: async () => each(messages(set).map(Backend.encodeUnsafe), decode(), JSON.stringify)
})

const encoding = (set: Which, name: string, encode: () => (message: Backend.Message) => Uint8Array): Entry => ({
  name,
  kind: "ours",
  setup: async () => each(messages(set), encode(), (frame) => Buffer.from(frame).toString("hex"))
})

export const schemaDecoding = sets.map((set): Workload => ({
  id: idOf("A5in", set),
  title: `${count} control messages, decoded one by one`,
  entries: [
    decoding(set, "plain function", () => {
      const read = Backend.readerUnsafe()
      return (frame) => read(frame, 0, frame.length)
    }),
    decoding(set, "through Schema", () => Schema.decodeUnknownSync(Backend.codec))
  ]
}))

export const schemaEncoding = sets.map((set): Workload => ({
  id: idOf("A5out", set),
  title: `${count} control messages, encoded one by one`,
  entries: [
    encoding(set, "plain function", () => Backend.encodeUnsafe),
    encoding(set, "through Schema", () => Schema.encodeUnknownSync(Backend.codec))
  ]
}))
