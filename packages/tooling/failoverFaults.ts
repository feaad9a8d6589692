/** The faults of a pair of servers, and of the ways to them. */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import type * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Fiber } from "effect"
import type { Host } from "./failoverNetwork.ts"

/**
 * The faults: the primary is killed; the way to it is silent or refused; that to both is slow or flapping; or the primary
 * lives on beside the promoted standby, with clients that still reach it.
 */
export const faults = ["dead", "silent", "refusing", "slow", "flapping", "split"] as const
export type Fault = typeof faults[number]

/** The course of a round. */
export interface Plan {
  readonly fault: Fault
  /** True if the standby is promoted during the fault. */
  readonly isPromoted: boolean
  /** True if a primary that was replaced comes back, read-only. */
  readonly returns: boolean
  /** True if the pool tries the standby first. */
  readonly isReversed: boolean
  /** Milliseconds before the fault, of the fault, and of a second one that hits the promoted server. */
  readonly delays: readonly [number, number, number]
}

export const makePlan = (random: () => number, allowed: ReadonlyArray<Fault>): Plan => {
  const fault = allowed[Math.floor(random() * allowed.length)]!
  return {
    fault,
    isPromoted: random() < 0.6 || fault === "split",
    returns: random() < 0.6,
    isReversed: random() < 0.5,
    delays: [200 + 300 * random(), 50 + 600 * random() ** 2, 400 * random() ** 2]
  }
}

/** Runs an effect on a session of its own. */
export const withSession = <A, E, R>(
  server: ConnectionConfig,
  use: (session: Session.Session) => Effect.Effect<A, E, R>
) => Effect.scoped(Effect.flatMap(Session.make(server), use))

/** Hits the servers by the plan. Returns the primary that has come back, if one has. */
export const strike = Effect.fnUntraced(function*(
  plan: Plan,
  { primary, restartPrimary, standby }: PostgresServer.Pair,
  [first, second]: readonly [Host, Host],
  random: () => number,
  onSolePrimary: () => void
) {
  const { delays: [before, during, after], fault, isPromoted, returns } = plan
  const flap = (hosts: ReadonlyArray<Host>) =>
    Effect.sync(() => hosts[Math.floor(random() * hosts.length)]!.reset()).pipe(
      Effect.andThen(Effect.sleep(20 + 100 * random())),
      Effect.forever,
      Effect.forkChild({ startImmediately: true })
    )
  const kill = () => void process.kill(primary.pid, random() < 0.5 ? "SIGKILL" : "SIGQUIT")
  yield* Effect.sleep(before)
  if (fault === "slow" || fault === "flapping") first.weather = second.weather = fault
  else if (fault === "dead") kill()
  else if (fault !== "split") first.weather = fault
  const flapping = fault === "flapping" ? yield* flap([first, second]) : undefined
  yield* Effect.sleep(during)
  if (isPromoted) {
    // What is replaced must not go on beside its successor; where it does, its commits wait for the standby in vain.
    if (fault !== "split" && fault !== "dead") kill()
    yield* withSession(standby, (session) => session.query("select pg_promote()"))
    if (fault === "split") {
      yield* Effect.sleep(during)
      kill()
    }
    onSolePrimary()
  }
  const returned = isPromoted && returns
    ? yield* restartPrimary({ default_transaction_read_only: true })
    : !isPromoted && fault === "dead"
    ? yield* restartPrimary()
    : undefined
  if (flapping !== undefined) yield* Fiber.interrupt(flapping)
  second.weather = "fair"
  // The way to one that is gone for good stays as it is.
  if (!isPromoted || returned !== undefined) first.weather = "fair"
  if (isPromoted) {
    yield* Effect.sleep(200)
    second.weather = (["refusing", "silent", "flapping", "slow"] as const)[Math.floor(random() * 4)]!
    yield* Effect.sleep(after)
    second.weather = "fair"
  }
  return returned
})
