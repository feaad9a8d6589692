/**
 * Checks a new session against `targetSessionAttrs`, as libpq does.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Effect from "effect/Effect"
import type { TargetSessionAttrs } from "../../ConnectionConfig.ts"
import type { Dialect } from "../../Dialect.ts"
import { makeRole, type Role } from "../model/role.ts"
import { ask } from "./ask.ts"

/** The settings by which a server reports its role, since PostgreSQL 14. */
type Reported = ReadonlyMap<string, string>

const isReadOnlyAsReported = (parameters: Reported): boolean | undefined => {
  const standby = parameters.get("in_hot_standby")
  const byDefault = parameters.get("default_transaction_read_only")
  return standby === undefined || byDefault === undefined ? undefined : standby === "on" || byDefault === "on"
}

const readOnlyFlaw = (wanted: TargetSessionAttrs, isReadOnly: boolean): string | undefined =>
  isReadOnly === (wanted === "read-only") ? undefined : `the session is ${isReadOnly ? "" : "not "}read-only`

const standbyFlaw = (wanted: TargetSessionAttrs, isStandby: boolean): string | undefined =>
  isStandby === (wanted !== "primary") ? undefined : `the server is ${isStandby ? "" : "not "}in hot standby`

const dependsOnWriting = (wanted: TargetSessionAttrs): boolean => wanted === "read-write" || wanted === "read-only"

/**
 * Returns the reason why the session is not acceptable; `undefined` if it is.
 *
 * **Details**
 *
 * Since PostgreSQL 14 the server reports the necessary parameters; older servers, and poolers, are queried.
 *
 * @internal
 */
export const checkSessionAttrs = Effect.fnUntraced(function*(
  wanted: TargetSessionAttrs,
  channel: MessageChannel.Client,
  { parameters }: Authenticate.Session,
  dialect: Dialect
) {
  if (wanted === "any" || !dialect.replication) {
    return wanted === "read-only" || wanted === "standby" || wanted === "prefer-standby"
      ? "Hyper has no standbys, and all its sessions can write"
      : undefined
  }
  if (dependsOnWriting(wanted)) {
    const reported = isReadOnlyAsReported(parameters)
    if (reported !== undefined) return readOnlyFlaw(wanted, reported)
    const { value } = yield* ask(channel, "SHOW transaction_read_only")
    return value === undefined
      ? "it does not say whether the session is read-only"
      : readOnlyFlaw(wanted, value === "on")
  }
  const recovering = parameters.get("in_hot_standby") ??
    (yield* ask(channel, "SELECT pg_catalog.pg_is_in_recovery()")).value
  return recovering === undefined
    ? "it does not say whether it is a standby"
    : standbyFlaw(wanted, recovering === "on" || recovering === "t")
})

/**
 * Returns the role of a session that was accepted as `wanted`, by the settings that its server reports afterwards;
 * `undefined` if any role will do.
 *
 * @internal
 */
export const roleOf = (wanted: TargetSessionAttrs, parameters: Reported, dialect: Dialect): Role | undefined => {
  if (wanted === "any" || !dialect.replication) return undefined
  return makeRole(wanted === "read-write" || wanted === "primary", () => {
    if (dependsOnWriting(wanted)) {
      const isReadOnly = isReadOnlyAsReported(parameters)
      return isReadOnly === undefined || readOnlyFlaw(wanted, isReadOnly) === undefined
    }
    const standby = parameters.get("in_hot_standby")
    return standby === undefined || standbyFlaw(wanted, standby === "on") === undefined
  })
}
