/**
 * Streams rows in fetches of limited size, on demand.
 *
 * Uses a portal with a row limit: Execute and Flush repeatedly, and a single Sync at the end, so that the portal stays
 * open without a transaction. PostgreSQL only: on Hyper row limits lose rows and can end the server (H-10).
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { QueryError } from "../../QueryError.ts"
import { type Engine, writeFrontend } from "../engine/engine.ts"
import { Exchange, type ExchangeError, states } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import type { RowsDecoder } from "../engine/resultDecoders.ts"
import type { RowStream } from "../engine/streamSinks.ts"
import { type Plan, type Request, syncBytes } from "../statement/plan.ts"
import type { MakePlan, QueryRunner } from "./runner.ts"
import { rowStream } from "./streams.ts"

const executeFlush = (maxRows: number): Uint8Array => {
  const out = ByteWriter.make(32)
  writeFrontend(out, { _tag: "Execute", portal: "", maxRows })
  writeFrontend(out, { _tag: "Flush" })
  return out.take()
}

/** The flow of a portal. However it ends, this exchange sends the Sync. */
class Portal<Row> extends Exchange<void, RowStream<Row>> {
  private readonly engine: Engine
  private readonly fetchMore: Uint8Array
  private hasSynced = false

  constructor(engine: Engine, more: Uint8Array, { flow }: Plan<RowsDecoder<Row>>, sink: RowStream<Row>) {
    // A Sync of another exchange would close the portal.
    super({ ...flow, blocksPipeline: true }, sink)
    this.engine = engine
    this.fetchMore = more
  }

  override onMessage(message: Backend.Message): void {
    super.onMessage(message)
    if (message._tag === "CommandComplete" || message._tag === "EmptyQueryResponse") this.sendSync()
  }

  override onError(error: ExchangeError): void {
    super.onError(error)
    this.sendSync()
  }

  /** Sends the Sync that ends the group, once. */
  private sendSync(): void {
    if (this.hasSynced || this.engine.closeReason !== undefined || this.sent === "nothing") return
    this.hasSynced = true
    this.engine.writer.writeLast(this, syncBytes)
  }

  /** Stops fetching. Rows already requested still arrive, followed by the response to the Sync. */
  close(): void {
    this.engine.queue.markAbandoned(this)
    if (this.state === states.Suspended) this.state = states.Ending
    this.sendSync()
  }

  override backpressure(): Effect.Effect<void> | undefined {
    const offering = super.backpressure()
    if (this.state !== states.Suspended || this.abandoned) return offering
    const ask = Effect.suspend(() => {
      if (this.abandoned || this.state !== states.Suspended) return Effect.void
      this.state = states.Executing
      return Effect.ignore(this.engine.writer.writeData(this.fetchMore))
    })
    return offering === undefined ? ask : Effect.andThen(offering, ask)
  }
}

/** Streams the rows of a statement from a portal. */
export const portal = <Row>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  makePlan: MakePlan<RowsDecoder<Row>>,
  fetchSize: number
): Stream.Stream<Row, QueryError> => {
  const more = executeFlush(fetchSize)
  const { engine } = runner
  return rowStream<Row>(
    runner,
    gate,
    statement,
    makePlan,
    (plan, sink) => new Portal(engine, more, plan, sink),
    ({ write }) => (out) => {
      write(out)
      out.copy(more)
    },
    (exchange, drop) =>
      Effect.suspend(() => {
        const isOver = engine.queue.withdraw(exchange) || exchange.state === states.Ended
        const isIdle = exchange.state === states.Suspended || exchange.state === states.Ending
        // Before the reader continues, which would fetch more.
        if (!isOver) (exchange as Portal<Row>).close()
        drop()
        if (isOver) return Effect.void
        // In a transaction nothing is cancelled, because the transaction would fail: at most the requested rows still
        // arrive.
        return isIdle || engine.status === "T"
          ? engine.cancellation.awaitEnd(exchange, "end of a portal")
          : engine.cancellation.abandon(exchange)
      })
  )
}
