/**
 * The runner of a session.
 *
 * @internal
 */
import type * as Preset from "@hyperfect/values/Preset"
import type * as Type from "@hyperfect/values/Type"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { QueryError } from "../../QueryError.ts"
import { operationOf, withoutLiterals } from "../../QueryText.ts"
import { Gate } from "../engine/gate.ts"
import type { Commenter, StatementComment } from "../model/comment.ts"
import type { Observer, Operation } from "../session/observer.ts"
import { withQueryTimeout } from "../session/timeout.ts"
import { Planner, withComment } from "../statement/plan.ts"
import { type CacheOptions, StatementCache } from "../statement/prepared.ts"
import { SessionTypes, type TypeOptions } from "../statement/sessionTypes.ts"
import { noStatement, type OperationKind, type QueryRunner, type RunOnSession, type Statements } from "./runner.ts"
import { CurrentTransaction, gateIn, transaction } from "./transaction.ts"

/** @internal */
export interface Options extends TypeOptions, Omit<CacheOptions, "types" | "capacity"> {
  readonly defaultPreset: Preset.Preset
  /** The format of the results of simple queries. */
  readonly simpleFormat: () => Type.Format
  readonly statementCacheSize: number
  /** Milliseconds allowed for each query. */
  readonly queryTimeout: number | undefined
  readonly observer: Observer
  /** Absent if statements have no comments. */
  readonly commenter: Commenter | undefined
}

/** Describes an operation for telemetry. A text with parameters contains no values, and is reported unchanged. */
const describe = <A>({ name, rows }: OperationKind<A>, statements: Statements): Operation<A> => {
  if (!("text" in statements)) return { operation: name, size: statements.length }
  const { parameters, text } = statements
  return name === undefined
    ? { operation: operationOf(text), text: parameters.length === 0 ? withoutLiterals(text) : text, rows }
    : { operation: name }
}

const addComment = (statements: Statements, comment: StatementComment): Statements =>
  "text" in statements
    ? withComment(statements, comment)
    : statements.map((statement) => withComment(statement, comment))

/** @internal */
export const makeSessionRunner = (options: Options): QueryRunner => {
  const { commenter, defaultPreset, engine, observer, queryTimeout, simpleFormat } = options
  const { dialect } = engine
  const types = new SessionTypes(engine, options)
  const mayKeep = dialect.namedStatements && dialect.inferredTypes
  const statements = new StatementCache({ ...options, types, capacity: mayKeep ? options.statementCacheSize : 0 })
  const sessionGate = new Gate(dialect)
  const gateOf = (fiber: Fiber.Fiber<unknown, unknown>): Gate =>
    gateIn(runner, fiber.getRef(CurrentTransaction)) ?? sessionGate
  const commented = <S extends Statements>(fiber: Fiber.Fiber<unknown, unknown>, statements: S): S => {
    const comment = commenter?.(fiber)
    return comment === undefined ? statements : addComment(statements, comment) as S
  }
  const within = <S extends Statements, A, E, R>(
    fiber: Fiber.Fiber<unknown, unknown>,
    { isTimed }: OperationKind<never>,
    statements: S,
    run: RunOnSession<S, A, E, R>
  ): Effect.Effect<A, E | QueryError, R> => {
    const asked = run(runner, gateOf(fiber), commented(fiber, statements))
    return isTimed === false
      ? asked
      : withQueryTimeout(fiber, queryTimeout, statements, asked)
  }
  const effect: QueryRunner["effect"] = (kind, statements, run) =>
    Effect.withFiber((fiber) =>
      observer.isEnabled(fiber)
        ? observer.effect(describe(kind, statements), Effect.withFiber((fiber) => within(fiber, kind, statements, run)))
        : within(fiber, kind, statements, run)
    )
  const runner: QueryRunner = {
    engine,
    planner: new Planner(engine, defaultPreset, statements),
    simpleFormat,
    isInTransaction: () => sessionGate.inner !== undefined,
    runQuery: (statement, query) =>
      Effect.withFiber((fiber) => withQueryTimeout(fiber, queryTimeout, statement, query(gateOf(fiber)))),
    effect,
    scoped: effect,
    stream: (kind, statement, run) =>
      Stream.unwrap(Effect.withFiber((fiber) => {
        const stream = run(runner, gateOf(fiber), commented(fiber, statement))
        return Effect.succeed(observer.isEnabled(fiber) ? observer.stream(describe(kind, statement), stream) : stream)
      })),
    transaction: (body, options, pool) =>
      effect(
        { name: "TRANSACTION", isTimed: false },
        noStatement,
        (_, gate) => transaction(runner, gate, body, options, pool)
      ),
    isInside: Effect.withFiber((fiber) => Effect.succeed(gateOf(fiber).current !== sessionGate))
  }
  return runner
}
