/**
 * Rows so many at a time, when somebody asks for them.
 *
 * On PostgreSQL by a portal with a row limit: Execute and Flush, again and again, and Sync at the end, so that the portal
 * lives without a transaction. On Hyper, where row limits lose rows and can end the server (measured), by a cursor of SQL.
 *
 * @internal
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Failure, type QueryError, UnsupportedError } from "../QueryError.ts"
import type { Result } from "../Result.ts"
import { fail } from "./circumstances.ts"
import { type Engine, writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { type Outlet, StreamRows } from "./giving.ts"
import type { Done, Host } from "./host.ts"
import { type Asked, type Plan, sync } from "./plan.ts"
import { isStale } from "./prepared.ts"
import type { Rows } from "./reading.ts"
import { handOut } from "./streams.ts"

const executeFlush = (maxRows: number): Uint8Array => {
  const out = ByteWriter.make(32)
  writeFrontend(out, { _tag: "Execute", portal: "", maxRows })
  writeFrontend(out, { _tag: "Flush" })
  return out.take()
}

/** Rows of a portal. Whatever way it ends, it is this exchange that sends the Sync. */
class Portal<Row> extends StreamRows<Row> {
  private readonly engine: Engine
  private readonly more: Uint8Array
  private hasSynced = false

  constructor(
    engine: Engine,
    more: Uint8Array,
    { describe, known, state }: Plan<Rows<Row>>,
    outlet: Outlet<Row>,
    done: Done<void>
  ) {
    super(state, describe, known, outlet, done)
    this.engine = engine
    this.more = more
  }

  /** A Sync of others would end the portal. */
  override get isDialogue(): boolean {
    return true
  }

  override onMessage(message: Parameters<StreamRows<Row>["onMessage"]>[0]): void {
    super.onMessage(message)
    if (message._tag === "CommandComplete" || message._tag === "EmptyQueryResponse") this.end()
  }

  override onError(error: Failure): void {
    super.onError(error)
    this.end()
  }

  /** Sends the Sync that ends the group, once. */
  private end(): void {
    if (this.hasSynced || this.engine.dead !== undefined || this.sent === "nothing") return
    this.hasSynced = true
    this.engine.conclude(this, sync)
  }

  /** Nobody wants more: what is asked for already still comes, then the Sync is answered. */
  leave(): void {
    this.abandoned = true
    if (this.state === states.Suspended) this.state = states.Ending
    this.end()
  }

  override backpressure(): Effect.Effect<void> | undefined {
    const offering = super.backpressure()
    if (this.state !== states.Suspended || this.abandoned) return offering
    const ask = Effect.suspend(() => {
      if (this.abandoned || this.state !== states.Suspended) return Effect.void
      this.state = states.Executing
      return Effect.ignore(this.engine.writeData(this.more))
    })
    return offering === undefined ? ask : Effect.andThen(offering, ask)
  }
}

/** The rows of a statement, by a portal. */
export const portal = <Row>(
  host: Host,
  statement: Asked,
  makePlan: Effect.Effect<Plan<Rows<Row>>, QueryError>,
  fetchSize: number
): Stream.Stream<Row, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    const own = yield* host.gate
    yield* own.exclusive(statement)
    const plan = yield* makePlan
    const more = executeFlush(fetchSize)
    const { engine, planner } = host
    return handOut<Row>(
      host,
      own,
      statement,
      (outlet, done) => {
        const exchange: Portal<Row> = new Portal(engine, more, plan, outlet, (exit) => {
          if (plan.prepared !== undefined && isStale(exchange)) planner.statements.forget(plan.prepared)
          done(exit)
        })
        return exchange
      },
      (out) => {
        plan.write(out)
        out.copy(more)
      },
      (exchange, drop) =>
        Effect.suspend(() => {
          const isOver = engine.withdraw(exchange) || exchange.state === states.Ended
          const isIdle = exchange.state === states.Suspended || exchange.state === states.Ending
          // Before the reader goes on, who would ask for more.
          if (!isOver) (exchange as Portal<Row>).leave()
          drop()
          if (isOver) return Effect.void
          // In a transaction nothing is cancelled, for it would fail with it: no more than was asked for is to come.
          return isIdle || engine.status === "T"
            ? engine.seeOff(exchange, "end of a portal")
            : engine.abandon(exchange)
        })
    )
  }))

let cursors = 0

/**
 * The rows of a statement, by a cursor of SQL. `ask` goes by the simple protocol: a FETCH in the extended one ends the
 * whole server (measured). There are no parameters in it, so a cursor cannot have any.
 */
export const sqlCursor = <Row>(
  host: Host,
  statement: Asked,
  fetchSize: number,
  ask: (text: string) => Effect.Effect<ReadonlyArray<Result<Row>>, QueryError>
): Stream.Stream<Row, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    if (statement.parameters.length > 0) {
      const refused = new UnsupportedError({ feature: "parameters in a stream with a fetch size", server: host.kind })
      return yield* fail(refused, "nothing", statement)
    }
    const own = yield* host.gate
    yield* own.exclusive(statement)
    const name = `hyperfect_cursor_${++cursors}`
    yield* Effect.acquireRelease(
      ask(`DECLARE ${name} CURSOR WITH HOLD FOR ${statement.text}`),
      () => Effect.ignore(ask(`CLOSE ${name}`)),
      { interruptible: true }
    )
    return Stream.paginate(undefined, () =>
      Effect.map(
        Effect.andThen(own.proceed, ask(`FETCH ${fetchSize} FROM ${name}`)),
        (results) => {
          const { rows } = results[0]!
          return [rows, rows.length < fetchSize ? Option.none() : Option.some(undefined)] as const
        }
      ))
  }))
