/**
 * The elements of a script. All of them are plain data; `runner.ts` executes them.
 */
import type { ServerOptions } from "@hyperfect/auth/Authenticate"
import type { Method } from "@hyperfect/auth/Policy"
import type * as Backend from "@hyperfect/protocol/Backend"
import { codes, type ErrorField, type Name } from "@hyperfect/protocol/ErrorField"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as SqlState from "@hyperfect/protocol/SqlState"
import type { TlsServerOptions } from "@hyperfect/transport/Connection"
import type * as Type from "@hyperfect/values/Type"
import type * as Redacted from "effect/Redacted"

// ---------------------------------------------------------------------------------------------------------------------
// Steps
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Options for accepting a client, and the settings that the server reports.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptOptions {
  /** The only user that is accepted; any user when absent. */
  readonly user?: string | undefined
  /** The password to request; every client is accepted without one when absent. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** The authentication method; `"scram-sha-256"` when absent. */
  readonly method?: Extract<Method, "password" | "md5" | "scram-sha-256"> | undefined
  /** The kind of server whose settings, errors and row descriptions are simulated; `"postgres"` when absent. */
  readonly dialect?: "postgres" | "hyper" | undefined
  /** Settings to report in addition to, or in place of, those of the dialect's server. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** The key that cancels a query of the session; a random one when absent. */
  readonly key?: ServerOptions["key"]
  /** The newest supported protocol version; the latest when absent, and 3.0 with Hyper's dialect. */
  readonly maxProtocolVersion?: ServerOptions["maxProtocolVersion"]
  /** Accepts TLS with these options; TLS is refused when absent. */
  readonly tls?: TlsServerOptions | undefined
}

type FieldPattern<A> = A | ((value: A) => boolean) | (A extends string ? RegExp : never)

/**
 * A pattern for a client's message: its `_tag`, and any of its fields as the value itself, a regular expression for a
 * string, or a predicate. Absent fields match anything.
 *
 * @category models
 * @since 0.1.0
 */
export type MessagePattern<Tag extends Frontend.Message["_tag"] = Frontend.Message["_tag"]> = Tag extends unknown ?
    & { readonly _tag: Tag }
    & { readonly [K in Exclude<keyof MessageOf<Tag>, "_tag">]?: FieldPattern<MessageOf<Tag>[K]> }
  : never

type MessageOf<Tag> = Extract<Frontend.Message, { readonly _tag: Tag }>

/**
 * A step that answers a query.
 *
 * @category models
 * @since 0.1.0
 */
export interface On {
  readonly _tag: "On"
  readonly query: string | RegExp
  readonly reply: Reply
}

/**
 * A step of a script.
 *
 * @category models
 * @since 0.1.0
 */
export type Step =
  | { readonly _tag: "Accept"; readonly options: AcceptOptions }
  | { readonly _tag: "Expect"; readonly pattern: MessagePattern }
  | { readonly _tag: "Send"; readonly messages: ReadonlyArray<Backend.Message> }
  | { readonly _tag: "SendBytes"; readonly bytes: Uint8Array }
  | On
  | { readonly _tag: "Repeat"; readonly rules: ReadonlyArray<On> }
  | { readonly _tag: "Disconnect" }
  | { readonly _tag: "Stall" }

/**
 * Logs the client in by the real protocol: a client that does not know the password is rejected.
 *
 * @category steps
 * @since 0.1.0
 */
export const accept = (options: AcceptOptions = {}): Step => ({ _tag: "Accept", options })

/**
 * Waits for one message.
 *
 * @category steps
 * @since 0.1.0
 */
export const expect = <Tag extends Frontend.Message["_tag"]>(pattern: MessagePattern<Tag>): Step => ({
  _tag: "Expect",
  pattern
})

/**
 * Sends messages, in one write.
 *
 * @category steps
 * @since 0.1.0
 */
export const send = (...messages: ReadonlyArray<Backend.Message>): Step => ({ _tag: "Send", messages })

/**
 * Sends bytes that need not be a message.
 *
 * @category steps
 * @since 0.1.0
 */
export const sendBytes = (bytes: Uint8Array): Step => ({ _tag: "SendBytes", bytes })

/**
 * Waits for one query with this text and responds to it.
 *
 * **Details**
 *
 * The query may use either protocol. In the extended one its Parse, Bind, Describe, Execute, Close and Flush are
 * answered as a server would, in any grouping, and so is the Sync at its end; a statement that was parsed for an
 * earlier query is found by its name. An error of class 42 (syntax and names) is sent at Parse, any other at Execute.
 *
 * @category steps
 * @since 0.1.0
 */
export const on = (query: string | RegExp, reply: Reply | ReplyEnd): On => ({
  _tag: "On",
  query,
  reply: "end" in reply ? reply : { columns: undefined, rows: [], end: reply }
})

/**
 * Responds to any number of queries, in any order, by the first rule that matches, as a database does. The first
 * message that no rule matches goes to the next step.
 *
 * @category steps
 * @since 0.1.0
 */
export const repeat = (...rules: ReadonlyArray<On>): Step => ({ _tag: "Repeat", rules })

/**
 * Disconnects: as a step, or as the reply to a query.
 *
 * @category steps
 * @since 0.1.0
 */
export const disconnect: { readonly _tag: "Disconnect" } = { _tag: "Disconnect" }

/**
 * Stops responding: as a step, or as the reply to a query. No further steps run.
 *
 * @category steps
 * @since 0.1.0
 */
export const stall: { readonly _tag: "Stall" } = { _tag: "Stall" }

// ---------------------------------------------------------------------------------------------------------------------
// Replies
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The end of a reply to a query.
 *
 * @category models
 * @since 0.1.0
 */
export type ReplyEnd =
  | { readonly _tag: "Complete"; readonly commandTag: string }
  | { readonly _tag: "Failure"; readonly sqlState: string; readonly fields: ReadonlyArray<ErrorField> }
  | { readonly _tag: "UntilCancelled" }
  | { readonly _tag: "CopyIn"; readonly columnFormats: ReadonlyArray<number>; readonly commandTag: string }
  | {
    readonly _tag: "CopyOut"
    readonly columnFormats: ReadonlyArray<number>
    readonly commandTag: string
    readonly chunks: ReadonlyArray<Uint8Array>
  }
  | { readonly _tag: "Disconnect" }
  | { readonly _tag: "Stall" }

/**
 * The reply to a query.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  /** Absent for a statement that returns no rows. */
  readonly columns: ReadonlyArray<Column> | undefined
  /** The rows' values, in the order of the columns. */
  readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
  readonly end: ReplyEnd
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly type: Type.Any
}

type InputOf<T> = T extends Type.Type<infer _A, infer I> ? I | null : never

/**
 * Replies with rows.
 *
 * **Details**
 *
 * Values are sent in the format that the client requests. The reply completes after the last row, unless another ending
 * is given, such as an error in the middle of a result.
 *
 * @category replies
 * @since 0.1.0
 */
export const rows = <const Columns extends Readonly<Record<string, Type.Any>>>(
  columns: Columns,
  rows: ReadonlyArray<{ readonly [K in keyof Columns]: InputOf<Columns[K]> }>,
  end: ReplyEnd = complete(`SELECT ${rows.length}`)
): Reply => {
  const named = Object.entries(columns).map(([name, type]) => ({ name, type }))
  return { columns: named, rows: rows.map((row) => named.map(({ name }) => row[name as keyof Columns])), end }
}

/**
 * Replies that a statement is complete, with its command tag, such as `INSERT 0 1`.
 *
 * The tags `BEGIN`, `COMMIT` and `ROLLBACK` also open and end a transaction, as reported by ReadyForQuery. An empty tag
 * is the reply to an empty query.
 *
 * @category replies
 * @since 0.1.0
 */
export const complete = (commandTag: string): ReplyEnd => ({ _tag: "Complete", commandTag })

/**
 * The fields of an error by name, and its SQLSTATE.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorOptions extends Partial<Readonly<Record<Exclude<Name, "sqlState">, string>>> {
  readonly code: string
}

/**
 * Replies with an error. With the severity `FATAL` or `PANIC` the server disconnects after it. With Hyper's dialect,
 * fields that Hyper does not send are left out.
 *
 * @category replies
 * @since 0.1.0
 */
export const error = ({ code, ...options }: ErrorOptions): ReplyEnd => {
  const severity = options.severity ?? "ERROR"
  const conditions: Readonly<Record<string, string>> = SqlState.conditions
  const named: Readonly<Record<string, string | undefined>> = {
    message: conditions[code] ?? "error",
    severityLocalized: severity,
    ...options,
    severity,
    sqlState: code
  }
  return {
    _tag: "Failure",
    sqlState: code,
    // In the order of the codes, which is roughly the order that servers use.
    fields: Object.entries(codes).flatMap(([name, code]) => {
      const value = named[name]
      return value === undefined ? [] : [{ code, value }]
    })
  }
}

/**
 * Sends no reply until the query is cancelled, and then the error for that.
 *
 * @category replies
 * @since 0.1.0
 */
export const untilCancelled: ReplyEnd = { _tag: "UntilCancelled" }

/**
 * Options for announcing COPY data.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyOptions {
  /** The number of columns; 1 when absent. */
  readonly columns?: number | undefined
  /** 0 for text, which Hyper always reports; 1 for binary. 0 when absent. */
  readonly format?: 0 | 1 | undefined
  /** `COPY 0` when absent. */
  readonly commandTag?: string | undefined
}

const copyResponse = ({ columns = 1, commandTag = "COPY 0", format = 0 }: CopyOptions) => ({
  columnFormats: Array.from({ length: columns }, () => format),
  commandTag
})

/**
 * Receives the data of a COPY ... FROM STDIN, and replies with the command tag. A client that aborts gets the error
 * that it requested. The data is among the received messages.
 *
 * @category replies
 * @since 0.1.0
 */
export const copyIn = (options: CopyOptions = {}): ReplyEnd => ({ _tag: "CopyIn", ...copyResponse(options) })

/**
 * Replies to a COPY ... TO STDOUT with data, one message per chunk.
 *
 * @category replies
 * @since 0.1.0
 */
export const copyOut = (chunks: ReadonlyArray<Uint8Array>, options: CopyOptions = {}): ReplyEnd => ({
  _tag: "CopyOut",
  ...copyResponse(options),
  chunks
})
