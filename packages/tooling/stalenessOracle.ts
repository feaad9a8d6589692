/**
 * A client without caches: each statement is parsed, described and run anew, and its types are looked up in the catalog
 * each time. A client that caches statements and types must return the same results.
 *
 * It shares nothing with the client under test but the protocol messages.
 */
import { Authenticate } from "@hyperfect/auth"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect } from "effect"

type Scalar = string | number | boolean | null

/** A parameter: a scalar, or a composite value keyed by field name. */
export type Value = Scalar | { readonly [name: string]: Scalar }

/** The outcome of a statement. Values are in the form of `canonical`. */
export type Outcome =
  | { readonly _tag: "Done"; readonly names: ReadonlyArray<string>; readonly rows: ReadonlyArray<unknown>; tag: string }
  | {
    readonly _tag: "Failed"
    /** An SQLSTATE, or the code of an error which a client found before it sent anything. */
    readonly code: string
    readonly message: string
    /** True if a client may find a value of a later statement wrong before it sends the one that fails. */
    readonly hasLaterRefusal?: boolean
  }

interface TypeInfo {
  readonly kind: string
  readonly baseOid: number
  readonly elementOid: number
  readonly fields: ReadonlyArray<string>
}

interface Reply {
  readonly columns: ReadonlyArray<{ readonly name: string; readonly typeOid: number }>
  readonly rows: ReadonlyArray<ReadonlyArray<Uint8Array | null>>
  readonly parameterTypes: ReadonlyArray<number>
  readonly tag: string
  readonly error: { readonly code: string; readonly message: string } | undefined
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const viewOf = ({ buffer, byteLength, byteOffset }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)

const typeQuery = (oid: number): string =>
  `select t.typtype, t.typbasetype, case when t.typcategory = 'A' then t.typelem else 0 end,
    array_to_string(array(
      select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c'
      and a.attnum > 0 and not a.attisdropped order by a.attnum
    ), ',')
  from pg_catalog.pg_type t where t.oid = ${oid}`

/** Decoders of the binary format of types that are never recreated, by OID. */
const scalars: Readonly<Record<number, (view: DataView) => unknown>> = {
  16: (view) => view.getInt8(0) === 1,
  20: (view) => String(view.getBigInt64(0)),
  21: (view) => String(view.getInt16(0)),
  23: (view) => String(view.getInt32(0)),
  26: (view) => String(view.getUint32(0)),
  700: (view) => String(view.getFloat32(0)),
  701: (view) => String(view.getFloat64(0))
}

const recordOid = 2249

const isComposite = (value: Value): value is Exclude<Value, Scalar> => typeof value === "object" && value !== null

/** Returns the type that Parse declares: none except for booleans, as the server knows best what it expects. */
const declared = (value: Value): number => (typeof value === "boolean" ? 16 : 0)

const quoted = (value: Scalar): string =>
  value === null ? "" : `"${String(value).replaceAll(/["\\]/g, (char) => `\\${char}`)}"`

export interface Oracle {
  /** Returns the transaction status. */
  readonly status: () => Backend.ReadyForQuery["status"]
  /** Runs a text by the simple protocol. A COPY in it receives the data. */
  readonly simple: (text: string, copyData?: string) => Effect.Effect<Reply, unknown>
  /** Runs a statement, which is parsed for this run only. */
  readonly run: (text: string, parameters: ReadonlyArray<Value>) => Effect.Effect<Outcome, unknown>
  /** Describes the columns of a statement, without running it. */
  readonly describe: (text: string) => Effect.Effect<Outcome, unknown>
}

const make = (channel: MessageChannel.Client): Oracle => {
  const types = new Map<number, TypeInfo>()
  let status: Backend.ReadyForQuery["status"] = "I"

  /** Sends messages that end with a Sync or a Query, and receives the responses up to ReadyForQuery. */
  const ask = Effect.fnUntraced(
    function*(messages: ReadonlyArray<Frontend.Message>, copyData = ""): Effect.fn.Return<Reply, unknown> {
      yield* channel.send(...messages)
      let columns: Reply["columns"] = []
      let parameterTypes: ReadonlyArray<number> = []
      let tag = ""
      let error: Reply["error"]
      const rows: Array<ReadonlyArray<Uint8Array | null>> = []
      while (true) {
        const message = yield* channel.receive
        switch (message._tag) {
          case "ParameterDescription":
            parameterTypes = message.parameterTypes
            break
          case "RowDescription":
            columns = message.fields
            break
          case "DataRow":
            rows.push(message.columns.map((column) => column && Uint8Array.from(column)))
            break
          case "CopyInResponse":
            yield* channel.send({ _tag: "CopyData", data: encode(copyData) }, { _tag: "CopyDone" })
            break
          case "CopyData":
            rows.push([Uint8Array.from(message.data)])
            break
          case "CommandComplete":
            tag = message.commandTag
            break
          case "ErrorResponse":
            error ??= {
              code: ErrorField.get(message.fields, "sqlState") ?? "",
              message: ErrorField.get(message.fields, "message") ?? ""
            }
            break
          case "ReadyForQuery":
            status = message.status
            return { columns, rows, parameterTypes, tag, error }
          case "BindComplete":
          case "CloseComplete":
          case "CopyDone":
          case "CopyOutResponse":
          case "EmptyQueryResponse":
          case "NoData":
          case "NoticeResponse":
          case "ParameterStatus":
          case "ParseComplete":
            break
          default:
            return yield* Effect.fail(new Error(`unexpected ${message._tag}`))
        }
      }
    }
  )

  const simple: Oracle["simple"] = (text, copyData) => ask([{ _tag: "Query", query: text }], copyData)

  const typeOf = Effect.fnUntraced(function*(oid: number): Effect.fn.Return<TypeInfo, unknown> {
    const known = types.get(oid)
    if (known !== undefined) return known
    const { rows } = yield* simple(typeQuery(oid))
    const [kind = "?", base, element, fields = ""] = rows[0]?.map((column) => decode(column!)) ?? []
    const info = { kind, baseOid: Number(base), elementOid: Number(element), fields: fields.split(",") }
    types.set(oid, info)
    return info
  })

  /** Decodes a value in PostgreSQL's binary format. */
  const read = Effect.fnUntraced(function*(oid: number, bytes: Uint8Array): Effect.fn.Return<unknown, unknown> {
    const scalar = scalars[oid]
    if (scalar !== undefined) return scalar(viewOf(bytes))
    if (oid === recordOid) return yield* readFields(bytes, undefined)
    const { baseOid, elementOid, fields, kind } = yield* typeOf(oid)
    if (kind === "d") return yield* read(baseOid, bytes)
    if (kind === "c") return yield* readFields(bytes, fields)
    return elementOid === 0 ? decode(bytes) : yield* readElements(bytes)
  })

  const readFields = Effect.fnUntraced(
    function*(bytes: Uint8Array, names: ReadonlyArray<string> | undefined): Effect.fn.Return<unknown, unknown> {
      const view = viewOf(bytes)
      const values: Array<unknown> = []
      let at = 4
      for (let i = 0; i < view.getInt32(0); i++) {
        const [oid, length] = [view.getUint32(at), view.getInt32(at + 4)]
        at += 8
        values.push(length < 0 ? null : yield* read(oid, bytes.subarray(at, at + length)))
        at += Math.max(0, length)
      }
      return names === undefined ? values : Object.fromEntries(values.map((value, i) => [names[i]!, value]))
    }
  )

  /** Decodes a one-dimensional array. */
  const readElements = Effect.fnUntraced(function*(bytes: Uint8Array): Effect.fn.Return<unknown, unknown> {
    const view = viewOf(bytes)
    const values: Array<unknown> = []
    if (view.getInt32(0) === 0) return values
    let at = 20
    for (let i = 0; i < view.getInt32(12); i++) {
      const length = view.getInt32(at)
      at += 4
      values.push(length < 0 ? null : yield* read(view.getUint32(8), bytes.subarray(at, at + length)))
      at += Math.max(0, length)
    }
    return values
  })

  /** Encodes a parameter as text; `undefined` if the value lacks the fields that the server expects. */
  const write = Effect.fnUntraced(
    function*(value: Value, oid: number): Effect.fn.Return<Uint8Array | null | undefined, unknown> {
      if (value === null) return null
      if (!isComposite(value)) return encode(String(value))
      const { fields, kind } = yield* typeOf(oid)
      if (kind !== "c") return encode(JSON.stringify(value))
      return fields.every((name) => name in value)
        ? encode(`(${fields.map((name) => quoted(value[name]!)).join()})`)
        : undefined
    }
  )

  const run = Effect.fnUntraced(
    function*(text: string, parameters: ReadonlyArray<Value>): Effect.fn.Return<Outcome, unknown> {
      types.clear()
      const parse = { _tag: "Parse", name: "", query: text, parameterTypes: parameters.map(declared) } as const
      let oids: ReadonlyArray<number> = []
      if (parameters.some(isComposite)) {
        const described = yield* ask([parse, { _tag: "Describe", kind: "S", name: "" }, { _tag: "Sync" }])
        if (described.error !== undefined) return { _tag: "Failed", ...described.error }
        oids = described.parameterTypes
      }
      const bytes = yield* Effect.forEach(parameters, (value, i) => write(value, oids[i] ?? 0))
      const written = bytes.flatMap((value) => (value === undefined ? [] : [value]))
      if (written.length < bytes.length) return { _tag: "Failed", code: clientSide, message: "lacks a field" }
      const { columns, error, rows, tag } = yield* ask([
        parse,
        {
          _tag: "Bind",
          portal: "",
          statement: "",
          parameterFormats: [],
          parameters: written,
          resultFormats: [1]
        },
        { _tag: "Describe", kind: "P", name: "" },
        { _tag: "Execute", portal: "", maxRows: 0 },
        { _tag: "Sync" }
      ])
      if (error !== undefined) return { _tag: "Failed", ...error }
      const names = columns.map(({ name }) => name)
      const values = yield* Effect.forEach(
        rows,
        (row) =>
          Effect.forEach(row, (value, i) => value === null ? Effect.succeed(null) : read(columns[i]!.typeOid, value))
      )
      return { _tag: "Done", names, rows: values, tag }
    }
  )

  const describe = Effect.fnUntraced(function*(text: string): Effect.fn.Return<Outcome, unknown> {
    const { columns, error } = yield* ask([
      { _tag: "Parse", name: "", query: text, parameterTypes: [] },
      { _tag: "Describe", kind: "S", name: "" },
      { _tag: "Sync" }
    ])
    return error === undefined
      ? { _tag: "Done", names: columns.map(({ name }) => name), rows: [], tag: "" }
      : { _tag: "Failed", ...error }
  })

  return { status: () => status, simple, run, describe }
}

/** The code of errors that a client raises itself. */
export const clientSide = "client"

/** Logs in. The scope closes the connection. */
export const openOracle = Effect.fnUntraced(function*(config: ConnectionConfig.ConnectionConfig) {
  const { database, endpoint, user } = config
  const transport = yield* Transport
  const channel = MessageChannel.client(yield* transport.connect(endpoint))
  yield* Authenticate.client(channel, { user, database }).pipe(Effect.provide(Authenticate.layerCrypto))
  return make(channel)
})
