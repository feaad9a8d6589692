/** Queries to real servers in any format, without a client, so that tests of the codecs do not depend on one. */
import { Authenticate } from "@hyperfect/auth"
import type { Login } from "@hyperfect/auth"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { type Endpoint, MessageChannel, Transport } from "@hyperfect/transport"
import type { Type } from "@hyperfect/values"
import { Effect } from "effect"

/** Opens a connection and logs in; the scope closes it. */
export const openChannel = Effect.fnUntraced(function*(endpoint: Endpoint.Endpoint, login: Login.Login) {
  const transport = yield* Transport.Transport
  const channel = MessageChannel.client(yield* transport.connect(endpoint))
  yield* Authenticate.client(channel, login, { allowCleartextWithoutTls: true }).pipe(
    Effect.provide(Authenticate.layerCrypto)
  )
  return channel
})

export interface Column {
  readonly name: string
  readonly typeOid: number
  readonly typeModifier: number
}

export interface RawResult {
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<ReadonlyArray<Uint8Array | null>>
}

export interface RawParameter {
  readonly oid: number
  readonly format: Type.Format
  readonly bytes: Uint8Array | null
}

/** Runs one statement with the extended protocol. A server error fails with its SQLSTATE and message. */
export const query = Effect.fnUntraced(function*(
  channel: MessageChannel.Client,
  sql: string,
  resultFormat: Type.Format = 0,
  parameters: ReadonlyArray<RawParameter> = []
): Effect.fn.Return<RawResult, unknown> {
  yield* channel.send(
    { _tag: "Parse", name: "", query: sql, parameterTypes: parameters.map(({ oid }) => oid) },
    {
      _tag: "Bind",
      portal: "",
      statement: "",
      parameterFormats: parameters.map(({ format }) => format),
      parameters: parameters.map(({ bytes }) => bytes),
      resultFormats: [resultFormat]
    },
    { _tag: "Describe", kind: "P", name: "" },
    { _tag: "Execute", portal: "", maxRows: 0 },
    { _tag: "Sync" }
  )
  let columns: ReadonlyArray<Column> = []
  let failure: string | undefined
  const rows: Array<ReadonlyArray<Uint8Array | null>> = []
  for (;;) {
    const message = yield* channel.receive
    if (message._tag === "RowDescription") columns = message.fields
    if (message._tag === "DataRow") {
      rows.push(message.columns.map((column) => (column === null ? null : Uint8Array.from(column))))
    }
    if (message._tag === "ErrorResponse") {
      failure = `${ErrorField.get(message.fields, "sqlState")} ${ErrorField.get(message.fields, "message")}: ${sql}`
    }
    if (message._tag === "ReadyForQuery") {
      return failure === undefined ? { columns, rows } : yield* Effect.fail(failure)
    }
  }
})

/** Sends bytes by COPY ... FROM STDIN, and returns the command tag. */
export const copyIn = Effect.fnUntraced(function*(
  channel: MessageChannel.Client,
  sql: string,
  bytes: Uint8Array
): Effect.fn.Return<string, unknown> {
  yield* channel.send({ _tag: "Query", query: sql })
  let tag = ""
  let failure: string | undefined
  for (;;) {
    const message = yield* channel.receive
    if (message._tag === "CopyInResponse") yield* channel.send({ _tag: "CopyData", data: bytes }, { _tag: "CopyDone" })
    if (message._tag === "CommandComplete") tag = message.commandTag
    if (message._tag === "ErrorResponse") {
      failure = `${ErrorField.get(message.fields, "sqlState")} ${ErrorField.get(message.fields, "message")}: ${sql}`
    }
    if (message._tag === "ReadyForQuery") return failure === undefined ? tag : yield* Effect.fail(failure)
  }
})

/** Returns the bytes of a COPY ... TO STDOUT. */
export const copyOut = Effect.fnUntraced(function*(
  channel: MessageChannel.Client,
  sql: string
): Effect.fn.Return<Uint8Array, unknown> {
  yield* channel.send({ _tag: "Query", query: sql })
  const pieces: Array<Uint8Array> = []
  let failure: string | undefined
  for (;;) {
    const message = yield* channel.receive
    if (message._tag === "CopyData") pieces.push(Uint8Array.from(message.data))
    if (message._tag === "ErrorResponse") {
      failure = `${ErrorField.get(message.fields, "sqlState")} ${ErrorField.get(message.fields, "message")}: ${sql}`
    }
    if (message._tag === "ReadyForQuery") {
      return failure === undefined ? Uint8Array.from(Buffer.concat(pieces)) : yield* Effect.fail(failure)
    }
  }
})
