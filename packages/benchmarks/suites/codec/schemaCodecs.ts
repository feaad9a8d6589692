/** A5: the overhead of Schema over the plain functions, for single control messages. */
import * as Backend from "@hyperfect/protocol/Backend"
import { Schema } from "effect"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { makeDigest } from "./frames.ts"

const count = 200_000

/** The messages before and after the rows of a query, in turn. */
const messages: ReadonlyArray<Backend.Message> = Array.from({ length: count }, (_, index): Backend.Message => {
  switch (index % 4) {
    case 0:
      return { _tag: "ParameterStatus", name: "application_name", value: `app ${index % 100}` }
    case 1:
      return {
        _tag: "RowDescription",
        fields: ["id", "name", "amount"].map((name, i) => ({
          name,
          tableOid: 16_384,
          columnNumber: i + 1,
          typeOid: 23,
          typeSize: 4,
          typeModifier: -1,
          format: 1
        }))
      }
    case 2:
      return { _tag: "CommandComplete", commandTag: `SELECT ${index % 1000}` }
    default:
      return { _tag: "ReadyForQuery", status: "I" }
  }
})

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

const decoding = (name: string, decode: () => (frame: Uint8Array) => Backend.Message): Entry => ({
  name,
  kind: "ours",
  setup: async () => each(messages.map(Backend.encodeUnsafe), decode(), JSON.stringify)
})

const encoding = (name: string, encode: () => (message: Backend.Message) => Uint8Array): Entry => ({
  name,
  kind: "ours",
  setup: async () => each(messages, encode(), (frame) => Buffer.from(frame).toString("hex"))
})

export const schemaDecoding: Workload = {
  id: "A5in",
  title: `${count} control messages, decoded one by one`,
  entries: [
    decoding("plain function", () => {
      const read = Backend.readerUnsafe()
      return (frame) => read(frame, 0, frame.length)
    }),
    decoding("through Schema", () => Schema.decodeUnknownSync(Backend.codec))
  ]
}

export const schemaEncoding: Workload = {
  id: "A5out",
  title: `${count} control messages, encoded one by one`,
  entries: [
    encoding("plain function", () => Backend.encodeUnsafe),
    encoding("through Schema", () => Schema.encodeUnknownSync(Backend.codec))
  ]
}
