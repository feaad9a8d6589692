/**
 * Everything that can go wrong once a session is open.
 *
 * @since 0.1.0
 */
import type { ProtocolError } from "@hyperfect/protocol/ProtocolError"
import type { TransportError } from "@hyperfect/transport/TransportError"
import type { ValueError } from "@hyperfect/values/ValueError"
import * as Schema from "effect/Schema"
import type { ServerError } from "./ServerError.ts"

/**
 * Something that the server at the other end cannot do, refused before it was asked.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedError extends Schema.TaggedError<UnsupportedError>()("UnsupportedError", {
  feature: Schema.String,
  server: Schema.Literals(["hyper", "postgres"])
}) {
  override get message(): string {
    return `${this.feature}: not supported by ${this.server === "hyper" ? "Hyper" : "PostgreSQL"}`
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}

/**
 * A COMMIT that the server answered by rolling back, because a statement of the transaction had failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionRolledBack extends Schema.TaggedError<TransactionRolledBack>()("TransactionRolledBack", {}) {
  override get message(): string {
    return "the transaction was rolled back: a statement in it had failed"
  }

  /** Always false: the failure that caused it was an error of its own. */
  get isRetryable(): false {
    return false
  }
}

/**
 * A failure of a query or COPY.
 *
 * **Details**
 *
 * - `ServerError`: the server refused or failed; the session lives on unless it is fatal.
 * - `ValueError`: a parameter or a column could not be written or read; only this query is concerned.
 * - `TransportError`, `ProtocolError`: the session is dead, and whoever uses it next is told the same.
 * - `UnsupportedError`: nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export type QueryError =
  | ServerError
  | ValueError
  | TransportError
  | ProtocolError
  | UnsupportedError
