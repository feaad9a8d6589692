/**
 * The position in the primary's log up to which a standby has to have replayed, so that a client reads its own writes.
 *
 * Positions are asked for only when one is needed: before the first read after a write. Whatever may have written counts
 * once it has ended, before its caller has the answer.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Statements } from "../query/runner.ts"

/** Returns the statement for a position in the log as a number, which every preset decodes from a text. */
export const selectPosition = (position: string): string => `select coalesce(${position} - '0/0', 0)::text`

/** The end of the log on disk, which a commit waits for. */
const flushed = "pg_catalog.pg_current_wal_flush_lsn()"

/**
 * The end of the log in memory, for commits that wait for nothing. It may lie behind the header of a page with no record yet,
 * which has 24 bytes. Without them it is still past the beginning of the last commit, which has more.
 */
const inserted = "(pg_catalog.pg_current_wal_insert_lsn() - 24)"

const selectFlushed = selectPosition(
  `case pg_catalog.current_setting('synchronous_commit') when 'off' then ${inserted} else ${flushed} end`
)

const selectInserted = selectPosition(inserted)

const commitSetting = /synchronous_commit/i

/** True if one of the statements may let the commits after it wait for less than usual. */
const changesCommit = (statements: Statements): boolean =>
  "text" in statements
    ? commitSetting.test(statements.text) || statements.parameters.includes("synchronous_commit")
    : statements.some(changesCommit)

/** Makes the position; `ask` returns the answer of the primary to one of the statements of this module. */
export const makeWrittenPosition = <E>(ask: (statement: string) => Effect.Effect<bigint, E>) => {
  /** The number of operations that may have written and have ended. */
  let ended = 0
  /** The number of operations that may write more than once before they end. */
  let open = 0
  /** The greatest `ended` of an answer, and the least position that covers so many. */
  let known = { ended: 0, position: BigInt(0) }
  let isDoubtful = false
  let isAsynchronous = false

  return {
    /** Runs an operation that may write. */
    during: <A, E1, R>(operation: Effect.Effect<A, E1, R>): Effect.Effect<A, E1, R> =>
      Effect.ensuring(operation, Effect.sync(() => ended++)),

    /** Notes, until the scope closes, that there may be writes whose ends cannot be told. */
    whileOpen: Effect.acquireRelease(
      Effect.sync(() => void open++),
      () =>
        Effect.sync(() => {
          open--
          ended++
        })
    ),

    /** Notes if statements that are going to run may change what the commits after them wait for. */
    inspect: (statements: Statements): void => {
      isAsynchronous ||= changesCommit(statements)
    },

    /** Notes that a standby has not reached the position, which may be one of a primary that has been replaced. */
    doubt: (): void => {
      isDoubtful = true
    },

    /** The position that covers all that has ended. */
    current: Effect.suspend((): Effect.Effect<bigint, E> => {
      if (open > 0) ended++
      const covered = ended
      if (covered === known.ended && !isDoubtful) return Effect.succeed(known.position)
      return Effect.map(ask(isAsynchronous ? selectInserted : selectFlushed), (position) => {
        // Both cover as many, and a later answer is less only if it is that of another primary.
        if (covered > known.ended || (covered === known.ended && position < known.position)) {
          known = { ended: covered, position }
        }
        isDoubtful = false
        return known.position
      })
    })
  }
}
