/**
 * Responds to queries as a server does, in both protocols.
 *
 * The caller decides the reply to each query. This module handles everything else: named statements and portals, the
 * requested formats, skipping messages after an error, and the status in ReadyForQuery.
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import type { Column, Reply, ReplyEnd } from "./steps.ts"

/** The state of the query after the messages were sent. */
export type Outcome = "open" | "done" | "hangup" | "silence" | "cancellable" | "copying"

export interface Answer {
  readonly messages: ReadonlyArray<Backend.Message>
  readonly outcome: Outcome
}

interface Statement {
  readonly text: string
  readonly parameterTypes: ReadonlyArray<number>
}

interface Portal {
  readonly text: string
  readonly formats: ReadonlyArray<number>
  /** The number of rows sent so far. */
  position: number
}

/** A message that concerns a query, as opposed to those that only control the exchange. */
export type QueryMessage = Frontend.Query | Frontend.Parse | Frontend.Bind | Frontend.Describe | Frontend.Execute

export const isQueryMessage = (message: Frontend.Message): message is QueryMessage =>
  message._tag === "Query" || message._tag === "Parse" || message._tag === "Bind" || message._tag === "Describe" ||
  message._tag === "Execute"

const textOid = 25

/** Returns the types of the parameters: as declared, and text for undeclared ones. */
const parameterTypes = ({ parameterTypes, text }: Statement): ReadonlyArray<number> => {
  const used = Array.from(text.matchAll(/\$([0-9]+)/g), (match) => Number(match[1]))
  const count = Math.max(parameterTypes.length, 0, ...used)
  return Array.from({ length: count }, (_, i) => parameterTypes[i] || textOid)
}

/** Returns a column's format by the rule of Bind: none for text, one for all, or one for each. */
const columnFormat = (formats: ReadonlyArray<number>, column: number): Type.Format =>
  (formats.length > 1 ? formats[column] : formats[0]) as Type.Format | undefined ?? Type.text

const encode = (
  writer: ByteWriter.ByteWriter,
  type: Type.Any,
  format: Type.Format,
  value: unknown
): Uint8Array | null => {
  if (value === null || value === undefined) return null
  // As in a server, a type that does not support the format is sent as text.
  const codec = Type.codec(type, format) ?? type.text
  try {
    codec.write(writer, value, -1)
  } catch (thrown) {
    throw ValueError.fromThrown(thrown)
  }
  return writer.take()
}

export class QueryResponder {
  private readonly dialect: "postgres" | "hyper"
  private readonly statements = new Map<string, Statement>()
  private readonly portals = new Map<string, Portal>()
  private readonly writer = ByteWriter.make()
  private status: Backend.ReadyForQuery["status"] = "I"
  /** True if an error was sent and messages up to Sync are skipped. */
  private skippingToSync = false

  constructor(dialect: "postgres" | "hyper") {
    this.dialect = dialect
  }

  /**
   * Returns the text of the query that a message is about, or `undefined` if the statement or portal does not exist.
   */
  queryText(message: QueryMessage): string | undefined {
    switch (message._tag) {
      case "Query":
      case "Parse":
        return message.query
      case "Bind":
        return this.statements.get(message.statement)?.text
      case "Describe":
        return message.kind === "S" ? this.statements.get(message.name)?.text : this.portals.get(message.name)?.text
      case "Execute":
        return this.portals.get(message.portal)?.text
    }
  }

  /** Responds to messages that do not concern a query, and skips those that follow an error. */
  answerControl(message: Frontend.Message): Answer | undefined {
    if (message._tag === "Sync") {
      this.skippingToSync = false
      return { messages: [this.ready()], outcome: "done" }
    }
    if (this.skippingToSync || message._tag === "Flush") return { messages: [], outcome: "open" }
    if (message._tag !== "Close") return undefined
    if (message.kind === "S") this.statements.delete(message.name)
    else this.portals.delete(message.name)
    return { messages: [{ _tag: "CloseComplete" }], outcome: "open" }
  }

  /** Responds to a message about a query. */
  answer(message: QueryMessage, reply: Reply): Answer {
    switch (message._tag) {
      case "Query":
        return this.simple(reply)
      case "Parse": {
        const { end } = reply
        if (end._tag === "Failure" && end.sqlState.startsWith("42")) return this.fail(end)
        this.statements.set(message.name, { text: message.query, parameterTypes: message.parameterTypes })
        return { messages: [{ _tag: "ParseComplete" }], outcome: "open" }
      }
      case "Bind": {
        const text = this.queryText(message)!
        this.portals.set(message.portal, { text, formats: message.resultFormats, position: 0 })
        return { messages: [{ _tag: "BindComplete" }], outcome: "open" }
      }
      case "Describe":
        return { messages: this.describe(message, reply), outcome: "open" }
      case "Execute":
        return this.execute(message, reply)
    }
  }

  /** Ends a query that had to wait. */
  complete(message: QueryMessage, end: ReplyEnd): Answer {
    const answer = this.finish(end)
    return message._tag === "Query" ? this.withReady(answer) : answer
  }

  private ready(): Backend.ReadyForQuery {
    return { _tag: "ReadyForQuery", status: this.status }
  }

  private withReady({ messages, outcome }: Answer): Answer {
    this.skippingToSync = false
    return outcome === "done" ? { messages: [...messages, this.ready()], outcome } : { messages, outcome }
  }

  private simple(reply: Reply): Answer {
    const rows = reply.rows.map((row) => this.row(reply.columns, row, []))
    const description = reply.columns === undefined ? [] : [this.rowDescription(reply.columns, [])]
    const { messages, outcome } = this.withReady(this.finish(reply.end))
    return { messages: [...description, ...rows, ...messages], outcome }
  }

  private describe(message: Frontend.Describe, { columns }: Reply): ReadonlyArray<Backend.Message> {
    // A statement's formats are not known before Bind.
    const formats = message.kind === "P" ? this.portals.get(message.name)!.formats : []
    const rows: Backend.Message = columns === undefined ? { _tag: "NoData" } : this.rowDescription(columns, formats)
    return message.kind === "P"
      ? [rows]
      : [{ _tag: "ParameterDescription", parameterTypes: parameterTypes(this.statements.get(message.name)!) }, rows]
  }

  private execute(message: Frontend.Execute, reply: Reply): Answer {
    const portal = this.portals.get(message.portal)!
    const limit = message.maxRows > 0 ? portal.position + message.maxRows : reply.rows.length
    const rows = reply.rows.slice(portal.position, limit).map((row) => this.row(reply.columns, row, portal.formats))
    portal.position += rows.length
    if (portal.position < reply.rows.length) {
      return { messages: [...rows, { _tag: "PortalSuspended" }], outcome: "open" }
    }
    const { messages, outcome } = this.finish(reply.end)
    return { messages: [...rows, ...messages], outcome }
  }

  private finish(end: ReplyEnd): Answer {
    switch (end._tag) {
      case "Complete": {
        const command = end.commandTag
        if (command === "BEGIN") this.status = "T"
        if (command === "COMMIT" || command === "ROLLBACK") this.status = "I"
        return {
          messages: [
            command === "" ? { _tag: "EmptyQueryResponse" } : { _tag: "CommandComplete", commandTag: command }
          ],
          outcome: "done"
        }
      }
      case "Failure":
        return this.fail(end)
      case "Disconnect":
        return { messages: [], outcome: "hangup" }
      case "Stall":
        return { messages: [], outcome: "silence" }
      case "UntilCancelled":
        return { messages: [], outcome: "cancellable" }
      case "CopyIn": {
        const { columnFormats } = end
        const response = { _tag: "CopyInResponse", format: columnFormat(columnFormats, 0), columnFormats } as const
        return { messages: [response], outcome: "copying" }
      }
      case "CopyOut": {
        const { chunks, columnFormats, commandTag } = end
        return {
          messages: [
            { _tag: "CopyOutResponse", format: columnFormat(columnFormats, 0), columnFormats },
            ...chunks.map((data) => ({ _tag: "CopyData", data }) as const),
            { _tag: "CopyDone" },
            { _tag: "CommandComplete", commandTag }
          ],
          outcome: "done"
        }
      }
    }
  }

  private fail({ fields }: Extract<ReplyEnd, { readonly _tag: "Failure" }>): Answer {
    this.skippingToSync = true
    if (this.status === "T") this.status = "E"
    const isFatal = fields.some(({ code, value }) => code === "V" && (value === "FATAL" || value === "PANIC"))
    // Hyper does not send the field V, but names the culprit (H-28).
    const isBlamed = fields.some(({ code }) => code === "B")
    const sent = this.dialect === "postgres"
      ? fields
      : [...fields.filter(({ code }) => code !== "V"), ...(isBlamed ? [] : [{ code: "B", value: "User" }])]
    return { messages: [{ _tag: "ErrorResponse", fields: sent }], outcome: isFatal ? "hangup" : "done" }
  }

  private rowDescription(columns: ReadonlyArray<Column>, formats: ReadonlyArray<number>): Backend.RowDescription {
    return {
      _tag: "RowDescription",
      fields: columns.map(({ name, type }, i) => ({
        name,
        tableOid: 0,
        columnNumber: 0,
        typeOid: type.oid,
        typeSize: -1,
        typeModifier: -1,
        // Hyper always reports format 0 (H-08).
        format: this.dialect === "hyper" ? 0 : columnFormat(formats, i)
      }))
    }
  }

  private row(
    columns: ReadonlyArray<Column> | undefined,
    values: ReadonlyArray<unknown>,
    formats: ReadonlyArray<number>
  ): Backend.DataRow {
    return {
      _tag: "DataRow",
      columns: values.map((value, i) => encode(this.writer, columns![i]!.type, columnFormat(formats, i), value))
    }
  }
}
