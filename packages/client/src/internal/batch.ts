/**
 * Several statements at once: as one group that is done as a whole or not at all, and as many that go their own ways.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { ObjectRow, RowReader } from "@hyperfect/values/RowReader"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import * as Outcome from "effect/Result"
import type { QueryError } from "../QueryError.ts"
import type { Result } from "../Result.ts"
import type { Statement } from "../Statement.ts"
import { Base } from "./exchanges.ts"
import type { Gate } from "./gate.ts"
import { Collect, makeResult } from "./gathering.ts"
import { type Done, type Host, outcomeOf, planUnsafe, run } from "./host.ts"
import { isReading, type Nature, natureOf } from "./nature.ts"
import { type Asked, asked, execute, group, objects, type Plan, sync } from "./plan.ts"
import { isStale } from "./prepared.ts"
import type { Rows } from "./reading.ts"

type Row = ObjectRow

/** Statements with one Sync behind them all: PostgreSQL runs them in one transaction. */
class Batch extends Base<ReadonlyArray<Result<Row>>> {
  private readonly statements: ReadonlyArray<Asked>
  private readonly plans: ReadonlyArray<Plan<Rows<Row>>>
  private results: Array<Result<Row>> = []
  private known: Rows<Row> | undefined
  private reader: RowReader<Row> | undefined
  private rows: Array<Row> = []

  constructor(
    statements: ReadonlyArray<Asked>,
    plans: ReadonlyArray<Plan<Rows<Row>>>,
    done: Done<ReadonlyArray<Result<Row>>>
  ) {
    super(plans[0]!.state, done)
    this.statements = statements
    this.plans = plans
    this.begin(plans[0]!.known)
  }

  override nature(): Nature {
    return this.statements.every(({ text }) => natureOf(text) === "repeatable") ? "repeatable" : "open"
  }

  override get canRestart(): boolean {
    return true
  }

  override restart(): void {
    super.restart()
    this.results = []
    this.begin(this.plans[0]!.known)
  }

  private begin(known: Rows<Row> | undefined): void {
    this.known = known
    this.reader = known?.reader
    this.rows = []
  }

  onMessage(message: Backend.Message): void {
    switch (message._tag) {
      case "RowDescription":
        this.attempt(() => this.begin(this.plans[this.results.length]!.describe(message.fields)))
        break
      case "CommandComplete":
      case "EmptyQueryResponse": {
        const commandTag = message._tag === "CommandComplete" ? message.commandTag : ""
        this.results.push(makeResult(this.known?.fields ?? [], this.rows, commandTag))
        const next = this.plans[this.results.length]
        if (next === undefined) return
        this.state = next.state
        this.begin(next.known)
      }
    }
  }

  override onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.reader === undefined || this.error() !== undefined) return
    try {
      this.rows.push(this.reader(bytes, start + 5, end))
    } catch (thrown) {
      this.known?.onFailure?.()
      this.onError(ValueError.fromThrown(thrown))
    }
  }

  protected result(): ReadonlyArray<Result<Row>> {
    return this.results
  }
}

/** Plans each of several statements. */
const makePlan = (host: Host, gate: Gate, statements: ReadonlyArray<Asked>) => {
  const isKept = host.planner.statements.canKeep(statements.map(({ text }) => text))
  return (statement: Asked): Effect.Effect<Plan<Rows<Row>>, QueryError> =>
    gate.pass(statement, () => planUnsafe(host, statement, objects, isKept))
}

/**
 * The plan of a statement of a batch. One that cannot be prepared may need what those before it are going to make, such as
 * a table: it is sent unprepared, and the server says what is wrong with it in its turn.
 */
const planInBatch = (host: Host, gate: Gate, statements: ReadonlyArray<Asked>) => {
  const plan = makePlan(host, gate, statements)
  return (statement: Asked): Effect.Effect<Plan<Rows<Row>>, QueryError> =>
    Effect.catch(plan(statement), (error) =>
      error._tag === "ServerError" && host.engine.status === "I"
        ? Effect.succeed(host.planner.unprepared(statement, objects))
        : Effect.fail(error))
}

/** What the server has forgotten is prepared anew the next time; others may have run, so nothing is repeated. */
const forgetStale = <A>(host: Host, exchange: Base<A>, plans: ReadonlyArray<Plan<unknown>>): void => {
  if (!isStale(exchange)) return
  for (const { prepared } of plans) if (prepared !== undefined) host.planner.statements.forget(prepared)
}

/** As one group, on PostgreSQL. */
export const batch = (
  host: Host,
  gate: Gate,
  text: string,
  inputs: ReadonlyArray<Statement | string>
): Effect.Effect<ReadonlyArray<Result<Row>>, QueryError> => {
  const statements = inputs.map(asked)
  return Effect.flatMap(
    Effect.forEach(statements, planInBatch(host, gate, statements), { concurrency: "unbounded" }),
    (plans) =>
      run<ReadonlyArray<Result<Row>>>(
        host,
        gate,
        text,
        (done) => {
          const exchange: Batch = new Batch(statements, plans, (exit) => {
            forgetStale(host, exchange, plans)
            done(outcomeOf(exit, exchange, text))
          })
          return exchange
        },
        (out) => {
          for (const { write } of plans) {
            write(out)
            out.copy(execute)
          }
          out.copy(sync)
        },
        () => batch(host, gate, text, inputs)
      )
  )
}

/** A statement that others are run behind, and which is run again only if they need not see what it does. */
class Step extends Collect<Row> {
  isMovable = false

  override get canRestart(): boolean {
    return this.isMovable
  }
}

/** What became of a statement that went its own way. */
type Settled = Outcome.Result<Result<Row>, QueryError>

/** Each with a Sync of its own, all sent at once and in this order. */
export const pipeline = (
  host: Host,
  gate: Gate,
  inputs: ReadonlyArray<Statement | string>
): Effect.Effect<ReadonlyArray<Settled>, QueryError> => {
  const statements = inputs.map(asked)
  const isUnordered = statements.every(({ text }) => isReading(text))
  const plan = makePlan(host, gate, statements)
  const planning = Effect.forEach(statements, (statement) => Effect.result(plan(statement)), {
    concurrency: "unbounded"
  })
  return Effect.flatMap(planning, (plans) =>
    Effect.callback<ReadonlyArray<Settled>, QueryError>((resume) => {
      if (!gate.isOpen) return resume(gate.pass(statements[0]!, () => pipeline(host, gate, inputs)))
      const outcomes = new Array<Effect.Effect<Settled>>(inputs.length)
      let open = 1
      const settle = () => {
        if (--open === 0) resume(Effect.all(outcomes))
      }
      const exchanges = plans.flatMap((planned, i) => {
        if (Outcome.isFailure(planned)) {
          outcomes[i] = Effect.succeed(Outcome.fail(planned.failure))
          return []
        }
        open++
        const { describe, known, state } = planned.success
        const exchange: Step = new Step(state, describe, known, (exit) => {
          forgetStale(host, exchange, [planned.success])
          outcomes[i] = Effect.result(outcomeOf(exit, exchange, statements[i]!))
          settle()
        })
        exchange.text = statements[i]!.text
        exchange.isMovable = isUnordered || i === statements.length - 1
        host.engine.submit(exchange, group(planned.success))
        return [exchange]
      })
      settle()
      return Effect.forEach(exchanges, host.engine.abandon, { concurrency: "unbounded", discard: true })
    }))
}
