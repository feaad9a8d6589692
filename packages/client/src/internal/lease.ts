/**
 * The session that a fiber has from a pool, for as long as its transaction lasts.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type { Session } from "../Session.ts"
import type { Sessions } from "./pool.ts"

/** @internal */
export interface Lease {
  readonly sessions: Sessions
  readonly session: Session
  /** The one around it, which may be of another pool. */
  readonly outer: Lease | undefined
  /** A fiber that was forked in a transaction can outlive it. */
  isOver: boolean
}

/** @internal */
export const CurrentLease: Context.Reference<Lease | undefined> = Context.Reference<Lease | undefined>(
  "@hyperfect/client/CurrentLease",
  { defaultValue: () => undefined }
)

/** The innermost session of a pool that a fiber works on. */
export const leaseOf = (sessions: Sessions, lease: Lease | undefined): Lease | undefined =>
  lease === undefined || (lease.sessions === sessions && !lease.isOver) ? lease : leaseOf(sessions, lease.outer)
