/**
 * Whether a session that was opened is one that `targetSessionAttrs` asks for, checked as libpq checks it.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Effect from "effect/Effect"
import type { TargetSessionAttrs } from "../ConnectionConfig.ts"

/** The one value of a query, as text; `undefined` when the server has something against it. */
const ask = Effect.fnUntraced(function*(channel: MessageChannel.Client, query: string) {
  yield* channel.send({ _tag: "Query", query })
  let value: string | undefined
  while (true) {
    const message = yield* channel.receive
    if (message._tag === "DataRow") {
      const bytes = message.columns[0]
      value = bytes === undefined || bytes === null ? undefined : Utf8.decode(bytes, 0, bytes.length)
    }
    if (message._tag === "ErrorResponse") value = undefined
    if (message._tag === "ReadyForQuery") return value
  }
})

/**
 * What is wrong with the session; `undefined` when nothing is.
 *
 * **Details**
 *
 * From PostgreSQL 14 on the server reports what is to be known; older ones, and poolers, are asked.
 *
 * @internal
 */
export const unsuitable = Effect.fnUntraced(function*(
  wanted: TargetSessionAttrs,
  channel: MessageChannel.Client,
  session: Authenticate.Session
) {
  if (wanted === "any" || session.parameters.has("hyper_version")) {
    return wanted === "read-only" || wanted === "standby" || wanted === "prefer-standby"
      ? "Hyper has no standbys, and all its sessions can write"
      : undefined
  }
  const standby = session.parameters.get("in_hot_standby")
  if (wanted === "read-write" || wanted === "read-only") {
    const byDefault = session.parameters.get("default_transaction_read_only")
    const readOnly = standby === undefined || byDefault === undefined
      ? yield* ask(channel, "SHOW transaction_read_only")
      : standby === "on" || byDefault === "on"
      ? "on"
      : "off"
    if (readOnly === undefined) return "it does not say whether the session is read-only"
    if ((readOnly === "on") === (wanted === "read-only")) return undefined
    return wanted === "read-only" ? "the session is not read-only" : "the session is read-only"
  }
  const recovering = standby ?? (yield* ask(channel, "SELECT pg_catalog.pg_is_in_recovery()"))
  if (recovering === undefined) return "it does not say whether it is a standby"
  const isStandby = recovering === "on" || recovering === "t"
  if (isStandby === (wanted !== "primary")) return undefined
  return isStandby ? "the server is in hot standby" : "the server is not in hot standby"
})
