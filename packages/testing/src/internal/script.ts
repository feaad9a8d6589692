/**
 * What a script is made of. All of it is plain data; `conversation.ts` acts it out.
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
 * Whom a server lets in, and what it says of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptOptions {
  /** The only user there is; anybody when absent. */
  readonly user?: string | undefined
  /** Asks for it; lets everybody in without when absent. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** How the password is asked for; `"scram-sha-256"` when absent. */
  readonly method?: Extract<Method, "password" | "md5" | "scram-sha-256"> | undefined
  /** Whose settings, errors and row descriptions it has; `"postgres"` when absent. */
  readonly dialect?: "postgres" | "hyper" | undefined
  /** Settings to report beside, or in place of, those that the dialect's server reports. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** What cancels a query of the session; a random key when absent. */
  readonly key?: ServerOptions["key"]
  /** The newest version of the protocol that it speaks; the latest when absent, and 3.0 with Hyper's dialect. */
  readonly maxProtocolVersion?: ServerOptions["maxProtocolVersion"]
  /** Agrees to TLS with it; TLS is refused when absent. */
  readonly tls?: TlsServerOptions | undefined
}

type FieldPattern<A> = A | ((value: A) => boolean) | (A extends string ? RegExp : never)

/**
 * What a client's message shall look like: its `_tag`, and any of its fields as the value itself, a regular expression
 * for a text, or a predicate. A field that is not there may hold anything.
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
 * @category models
 * @since 0.1.0
 */
export interface Accept {
  readonly _tag: "Accept"
  readonly options: AcceptOptions
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Expect {
  readonly _tag: "Expect"
  readonly pattern: MessagePattern
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Send {
  readonly _tag: "Send"
  readonly messages: ReadonlyArray<Backend.Message>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface SendBytes {
  readonly _tag: "SendBytes"
  readonly bytes: Uint8Array
}

/**
 * @category models
 * @since 0.1.0
 */
export interface On {
  readonly _tag: "On"
  readonly query: string | RegExp
  readonly reply: Reply
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Repeat {
  readonly _tag: "Repeat"
  readonly rules: ReadonlyArray<On>
}

/**
 * The server hangs up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Disconnect {
  readonly _tag: "Disconnect"
}

/**
 * The server says nothing any more, and does not hang up either.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stall {
  readonly _tag: "Stall"
}

/**
 * @category models
 * @since 0.1.0
 */
export type Step = Accept | Expect | Send | SendBytes | On | Repeat | Disconnect | Stall

/**
 * Logs the client in, by the real protocol: whoever does not know the password is refused.
 *
 * @category steps
 * @since 0.1.0
 */
export const accept = (options: AcceptOptions = {}): Accept => ({ _tag: "Accept", options })

/**
 * Waits for one message.
 *
 * @category steps
 * @since 0.1.0
 */
export const expect = <Tag extends Frontend.Message["_tag"]>(
  pattern: MessagePattern<Tag>
): Expect => ({ _tag: "Expect", pattern })

/**
 * Sends messages, in one write.
 *
 * @category steps
 * @since 0.1.0
 */
export const send = (...messages: ReadonlyArray<Backend.Message>): Send => ({ _tag: "Send", messages })

/**
 * Sends bytes, for what is not a message.
 *
 * @category steps
 * @since 0.1.0
 */
export const sendBytes = (bytes: Uint8Array): SendBytes => ({ _tag: "SendBytes", bytes })

/**
 * Waits for one query with this text and answers it.
 *
 * **Details**
 *
 * The query may come in either protocol. In the extended one its Parse, Bind, Describe, Execute, Close and Flush are
 * answered as a server would, in any grouping, and so is the Sync at its end; a statement that was parsed for an earlier
 * query is known by its name. A reply with an error of class 42 (syntax and names) comes at Parse, any other at Execute.
 *
 * @category steps
 * @since 0.1.0
 */
export const on = (query: string | RegExp, reply: Reply | Ending): On => ({
  _tag: "On",
  query,
  reply: "end" in reply ? reply : { columns: undefined, rows: [], end: reply }
})

/**
 * Answers any number of queries, in any order, by the first rule that fits: what a database does. The first message that
 * no rule is for goes to the next step.
 *
 * @category steps
 * @since 0.1.0
 */
export const repeat = (...rules: ReadonlyArray<On>): Repeat => ({ _tag: "Repeat", rules })

/**
 * Hangs up: as a step, or as the reply to a query.
 *
 * @category steps
 * @since 0.1.0
 */
export const disconnect: Disconnect = { _tag: "Disconnect" }

/**
 * Goes silent: as a step, or as the reply to a query. Nothing after it happens.
 *
 * @category steps
 * @since 0.1.0
 */
export const stall: Stall = { _tag: "Stall" }

// ---------------------------------------------------------------------------------------------------------------------
// Replies
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How the reply to a query ends.
 *
 * @category models
 * @since 0.1.0
 */
export type Ending =
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
  | Disconnect
  | Stall

/**
 * What a query is answered with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  /** Absent for a statement that has no rows to return. */
  readonly columns: ReadonlyArray<Column> | undefined
  /** The rows' values, in the order of the columns. */
  readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
  readonly end: Ending
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly type: Type.Any
}

type Value<T> = T extends Type.Type<infer _A, infer I> ? I | null : never

/**
 * Replies with rows.
 *
 * **Details**
 *
 * Values are sent in the format that the client asks for. The reply is complete behind the last row, unless another
 * ending takes that place, such as an error in the middle of a result.
 *
 * @category replies
 * @since 0.1.0
 */
export const rows = <const Columns extends Readonly<Record<string, Type.Any>>>(
  columns: Columns,
  rows: ReadonlyArray<{ readonly [K in keyof Columns]: Value<Columns[K]> }>,
  end: Ending = complete(`SELECT ${rows.length}`)
): Reply => {
  const named = Object.entries(columns).map(([name, type]) => ({ name, type }))
  return { columns: named, rows: rows.map((row) => named.map(({ name }) => row[name as keyof Columns])), end }
}

/**
 * Replies that a statement is done, by its command tag, such as `INSERT 0 1`.
 *
 * The tags `BEGIN`, `COMMIT` and `ROLLBACK` also open and end a transaction, as far as ReadyForQuery tells. An empty tag
 * replies to a query without a statement.
 *
 * @category replies
 * @since 0.1.0
 */
export const complete = (commandTag: string): Ending => ({ _tag: "Complete", commandTag })

/**
 * The fields of an error, by their names, and its SQLSTATE.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorOptions extends Partial<Readonly<Record<Exclude<Name, "sqlState">, string>>> {
  readonly code: string
}

/**
 * Replies with an error. With the severity `FATAL` or `PANIC` the server hangs up behind it. A server that plays Hyper
 * leaves out the fields that Hyper does not send.
 *
 * @category replies
 * @since 0.1.0
 */
export const error = ({ code, ...options }: ErrorOptions): Ending => {
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
    // In the order of the codes, which is about the one that servers use.
    fields: Object.entries(codes).flatMap(([name, code]) => {
      const value = named[name]
      return value === undefined ? [] : [{ code, value }]
    })
  }
}

/**
 * Replies with nothing until somebody cancels the query, and then with the error that says so.
 *
 * @category replies
 * @since 0.1.0
 */
export const untilCancelled: Ending = { _tag: "UntilCancelled" }

/**
 * How the data of a COPY are announced.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyOptions {
  /** 1 when absent. */
  readonly columns?: number | undefined
  /** 0 for text, which Hyper always says; 1 for binary. 0 when absent. */
  readonly format?: 0 | 1 | undefined
  /** `COPY 0` when absent. */
  readonly commandTag?: string | undefined
}

const copyAnnouncement = ({ columns = 1, commandTag = "COPY 0", format = 0 }: CopyOptions) => ({
  columnFormats: Array.from({ length: columns }, () => format),
  commandTag
})

/**
 * Takes the data of a COPY ... FROM STDIN, and replies with the command tag. When the client gives up, it gets the error
 * that it asked for. What it sent is among the messages that were received.
 *
 * @category replies
 * @since 0.1.0
 */
export const copyIn = (options: CopyOptions = {}): Ending => ({ _tag: "CopyIn", ...copyAnnouncement(options) })

/**
 * Replies to a COPY ... TO STDOUT with data, a message for each chunk.
 *
 * @category replies
 * @since 0.1.0
 */
export const copyOut = (chunks: ReadonlyArray<Uint8Array>, options: CopyOptions = {}): Ending => ({
  _tag: "CopyOut",
  ...copyAnnouncement(options),
  chunks
})
