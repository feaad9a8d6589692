/**
 * The runner of a primary and its standbys: read-only transactions go to a standby that has replayed what the client has
 * written, or else to the primary, as all other operations do.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Queries, TransactionOptions } from "../../Queries.ts"
import type { Session } from "../../Session.ts"
import { withoutComment } from "../model/comment.ts"
import { errorType } from "../session/observer.ts"
import type { Pool } from "./model.ts"
import type { PoolRunner } from "./poolRunner.ts"
import { makeWrittenPosition, selectPosition } from "./writtenPosition.ts"

/** The reason why a session with a standby is not used. */
class StandbyUnfit {
  readonly _tag: "StandbyBehind" | "ServerUnresponsive"

  constructor(tag: StandbyUnfit["_tag"]) {
    this._tag = tag
  }
}

const behind = Effect.fail(new StandbyUnfit("StandbyBehind"))
const unresponsive = Effect.fail(new StandbyUnfit("ServerUnresponsive"))

/** The time in milliseconds that a server has, beyond `maxWait`, to answer a question about its position. */
const answerTimeout = 1_000

/** Fails if there is no answer in time. */
const inTime = <A, E>(answer: Effect.Effect<A, E>, maxWait: number): Effect.Effect<A, E | StandbyUnfit> =>
  Effect.timeoutOrElse(answer, { duration: maxWait + answerTimeout, orElse: () => unresponsive })

const selectReplayed = selectPosition("pg_catalog.pg_last_wal_replay_lsn()")

const upToTwentyMillis = Schedule.min([Schedule.exponential("1 millis"), Schedule.spaced("20 millis")])

/** The first version with WAIT FOR LSN. */
const waitForSince = 19

/** Waits on the server; a timeout of zero would be none. */
const waitFor = (position: bigint, milliseconds: number): string => {
  const [high, low] = [position >> BigInt(32), position & BigInt(0xffff_ffff)].map((half) => half.toString(16))
  return `WAIT FOR LSN '${high}/${low}' WITH (TIMEOUT '${Math.max(1, Math.ceil(milliseconds))}ms', NO_THROW)`
}

/** Returns the position that a server answers. */
const askPosition = <E>({ values }: Pick<Queries<E>, "values">, statement: string) =>
  Effect.map(withoutComment(values(statement)), ({ rows }) => BigInt(String(rows[0]?.[0])))

/** Succeeds once the server of a session has replayed up to the position, within `maxWait`. */
const awaitReplay = Effect.fnUntraced(function*(session: Session, position: bigint, maxWait: number) {
  const replayed = inTime(askPosition(session, selectReplayed), maxWait)
  if (Number.parseInt(session.server.version, 10) >= waitForSince) {
    if ((yield* replayed) >= position) return
    const [answer] = yield* inTime(withoutComment(session.simple(waitFor(position, maxWait))), maxWait)
    if (answer?.rows[0]?.["status"] !== "success") return yield* behind
  } else {
    const schedule = Schedule.upTo(upToTwentyMillis, { duration: maxWait })
    const at = yield* Effect.repeat(replayed, { until: (at) => at >= position, schedule })
    if (at < position) return yield* behind
  }
})

/** @internal */
export const makeReplicaRunner = (
  { pool, runner: primary }: { readonly pool: Pool; readonly runner: PoolRunner },
  standby: PoolRunner,
  maxWait: number
): Omit<PoolRunner, "transactionAfter"> => {
  const written = makeWrittenPosition((statement) => askPosition(pool, statement))
  /** The position that the server of a session is known to have replayed. */
  const known = new WeakMap<Session, bigint>()

  const check = Effect.fnUntraced(function*(session: Session) {
    const position = yield* inTime(written.current, maxWait)
    if (position <= (known.get(session) ?? BigInt(0))) return
    yield* Effect.tapError(awaitReplay(session, position, maxWait), () => Effect.sync(() => written.doubt()))
    known.set(session, position)
  })

  /** The runner of the transaction that the fiber is in. */
  const current = Effect.flatMap(standby.isInside, (isInside) =>
    isInside
      ? Effect.succeed(standby)
      : Effect.map(primary.isInside, (isInside) => isInside ? primary : undefined))

  /** Runs an effect in a transaction on a standby, or on the primary if it has not begun there. */
  const read = <A, E, R>(effect: Effect.Effect<A, E, R>, options: TransactionOptions) =>
    Effect.suspend(() => {
      let hasBegun = false
      const body = (attributes: Readonly<Record<string, string>>) =>
        Effect.suspend(() => {
          hasBegun = true
          return Effect.andThen(Effect.annotateCurrentSpan(attributes), effect)
        })
      return Effect.catch(
        standby.transactionAfter(check, body({ "hyperfect.role": "standby" }), options),
        (error) => {
          if (hasBegun && !(error instanceof StandbyUnfit)) return Effect.fail(error)
          const { type } = errorType(Cause.fail(error))
          return primary.transaction(body({ "hyperfect.role": "primary", "hyperfect.fallback": type }), options)
        }
      )
    })

  return {
    session: Effect.andThen(written.whileOpen, primary.session),
    soleSession: Effect.andThen(written.whileOpen, primary.soleSession),
    effect: (kind, statements, run) =>
      Effect.flatMap(current, (inside) => {
        if (inside === standby) return standby.effect(kind, statements, run)
        written.inspect(statements)
        const effect = primary.effect(kind, statements, run)
        return inside === undefined ? written.during(effect) : effect
      }),
    scoped: (kind, statements, run) =>
      Effect.flatMap(current, (inside) => {
        if (inside === standby) return standby.scoped(kind, statements, run)
        written.inspect(statements)
        const scoped = primary.scoped(kind, statements, run)
        return inside === undefined ? Effect.andThen(written.whileOpen, scoped) : scoped
      }),
    stream: (kind, statement, run) =>
      Stream.unwrap(Effect.flatMap(current, (inside) => {
        if (inside === standby) return Effect.succeed(standby.stream(kind, statement, run))
        written.inspect(statement)
        const stream = primary.stream(kind, statement, run)
        return inside === undefined ? Effect.as(written.whileOpen, stream) : Effect.succeed(stream)
      })),
    transaction: (effect, options = {}) =>
      Effect.flatMap(current, (inside) => {
        if (inside !== undefined) return inside.transaction(effect, options)
        if (options.access === "read only") {
          // A standby refuses to be serializable.
          return options.isolation === "serializable" ? primary.transaction(effect, options) : read(effect, options)
        }
        written.inspect({ text: Object.keys(options.settings ?? {}).join(), parameters: [], preset: undefined })
        return written.during(primary.transaction(effect, options))
      }),
    isInside: Effect.map(current, (inside) => inside !== undefined)
  }
}
