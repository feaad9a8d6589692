/**
 * The operations that read the rows of one statement, also of a prepared one.
 *
 * @internal
 */
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { StreamOptions } from "../../Queries.ts"
import type { QueryError } from "../../QueryError.ts"
import type { ColumnsResult } from "../../QueryResult.ts"
import type { Gate } from "../engine/gate.ts"
import type { RowsDecoder } from "../engine/resultDecoders.ts"
import { makeColumns, makeRows, makeSummary } from "../engine/sinks.ts"
import type { Pins } from "../statement/pins.ts"
import { arrays, columns, noRows, objects, type Request, type ResultShape } from "../statement/plan.ts"
import { portal } from "./cursor.ts"
import {
  collect,
  type Collecting,
  type OperationKind,
  type PlanStatement,
  type QueryRunner,
  type Runner
} from "./runner.ts"
import { rowStream } from "./streams.ts"

const withRows = { rows: ({ rows }: { readonly rows: ReadonlyArray<unknown> }) => rows.length }
const withColumns = { rows: ({ rowCount }: ColumnsResult) => rowCount ?? 0 }
const withoutRows = {}
/** The observer counts the rows of a stream itself. */
export const withStreamedRows: OperationKind<never> = { rows: () => 0 }

/** Clamps the fetch size to a row limit of Execute, where 0 would mean all rows. */
const rowLimit = (fetchSize: number): number => Math.min(Math.max(1, Math.trunc(fetchSize) || 1), 0x7fffffff)

/** @internal */
export const makeReads = <E, I>(runner: Runner<E>, plan: PlanStatement, toRequest: (input: I) => Request) => {
  const read = <K, A>(kind: OperationKind<A>, collecting: Collecting<K, A>) => {
    const run = (session: QueryRunner, gate: Gate, statement: Request) => collect(session, gate, statement, collecting)
    return (input: I): Effect.Effect<A, QueryError | E> => runner.effect(kind, toRequest(input), run)
  }
  const stream =
    <Row>(shape: ResultShape<RowsDecoder<Row>>) =>
    (input: I, { fetchSize }: StreamOptions = {}): Stream.Stream<Row, QueryError | E> =>
      runner.stream(withStreamedRows, toRequest(input), (session, gate, statement) => {
        const makePlan = (pins: Pins) => plan(session, statement, shape, pins)
        // There is no other way to fetch: Hyper's SQL cursors return only text, which loses digits (H-17).
        return fetchSize === undefined || !session.engine.dialect.rowLimits
          ? rowStream(session, gate, statement, makePlan)
          : portal(session, gate, statement, makePlan, rowLimit(fetchSize))
      })
  return {
    query: read(withRows, { plan, shape: objects, makeSink: makeRows<ObjectRow> }),
    values: read(withRows, { plan, shape: arrays, makeSink: makeRows<ArrayRow> }),
    columns: read(withColumns, { plan, shape: columns, makeSink: makeColumns }),
    execute: read(withoutRows, { plan, shape: noRows, makeSink: makeSummary }),
    stream: stream<ObjectRow>(objects),
    streamValues: stream<ArrayRow>(arrays)
  }
}
