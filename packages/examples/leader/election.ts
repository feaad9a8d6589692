/**
 * An elected leader: of all copies of a program, one does the work.
 *
 * An advisory lock elects it, and tells it when it has lost the election. Until it is told, another copy may be the leader
 * already, so that the lock alone does not keep two of them from working at once. The terms do: each leader begins a new
 * one, and whatever it does is in transactions that hold the row of its term.
 */
import { type Client, Lock, Pool, type QueryError, Statement } from "@hyperfect/client"
import { Data, Effect, Schedule } from "effect"

const { sql } = Statement

/** A leader whose term is over: nothing of the transaction is kept. */
export class Deposed extends Data.TaggedError("Deposed")<{ readonly term: number }> {
  override get message() {
    return `term ${this.term} is over`
  }
}

/** The term of a leader. */
export interface Term {
  readonly number: number
  /** Runs an effect in a transaction that is a part of the term: it ends before the next term begins, or fails. */
  readonly transaction: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | Deposed | Client.ClientError | QueryError.TransactionRolledBack, R>
}

/** Creates the table of terms. */
export const createTable = Pool.Pool.use((pool) =>
  pool.execute("create table if not exists terms (work text primary key, term int not null)")
)

/**
 * Begins the next term. Waits for a transaction of the term before; those that come later find that theirs is over. A
 * leader that is frozen in a transaction does not hold up the next one: the server ends it when it is idle for so long.
 */
export const beginTerm = Effect.fnUntraced(function*(work: string, idleLimit = "3s") {
  const pool = yield* Pool.Pool
  const { rows: [row] } = yield* pool.values(sql`insert into terms values (${work}, 1)
    on conflict (work) do update set term = terms.term + 1 returning term`)
  const number = Number(row![0])
  const check = Effect.flatMap(
    pool.values(sql`select term from terms where work = ${work} and term = ${number} for share`),
    ({ rows }) => rows.length === 1 ? Effect.void : Effect.fail(new Deposed({ term: number }))
  )
  const settings = { idle_in_transaction_session_timeout: idleLimit }
  const term: Term = {
    number,
    transaction: (effect) => pool.transaction(Effect.andThen(check, effect), { settings })
  }
  return term
})

/**
 * Leads as soon as there is no other leader, until the work ends. If it fails, or the lock is lost, another copy takes over,
 * and this one stands again.
 */
export const stand = <A, E extends { readonly message: string }, R>(
  work: string,
  run: (term: Term) => Effect.Effect<A, E, R>
) =>
  Effect.flatMap(beginTerm(work), run).pipe(
    Lock.withLock(`leader: ${work}`, { lease: "5 seconds" }),
    Effect.tapError(({ message }) => Effect.logWarning(`not the leader of ${work}: ${message}`)),
    Effect.retry(Schedule.spaced("1 second"))
  )
