/**
 * Statements that a caller prepares explicitly, and the description of a statement without running it.
 *
 * @internal
 */
import * as Preset from "@hyperfect/values/Preset"
import type * as Type from "@hyperfect/values/Type"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Description, PreparedStatement } from "../../Queries.ts"
import type { QueryError } from "../../QueryError.ts"
import { writeFrontend } from "../engine/engine.ts"
import { Exchange, flows } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import type { ResultDecoders } from "../engine/resultDecoders.ts"
import { DescriptionSink, Discard, type StatementDescription } from "../engine/sinks.ts"
import { keptText } from "../model/comment.ts"
import { failQuery, flatMapEager, refuse, trySync } from "../session/queryError.ts"
import { declaredTypes, encodersOfTypes, isUndecided, typeOids } from "../statement/parameters.ts"
import { Pins } from "../statement/pins.ts"
import type { Planner, Request } from "../statement/plan.ts"
import { parseAndDescribe, syncMessage } from "../statement/prepared.ts"
import { makeReads } from "./reads.ts"
import { checkExtended, hasLateColumns, type PlanStatement, type QueryRunner, refusal, runExchange } from "./runner.ts"

/** Runs an effect when the session is free, unless the statement is refused. */
const whenAllowed = <A>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  run: () => Effect.Effect<A, QueryError>
): Effect.Effect<A, QueryError> =>
  gate.whenOpen(statement, () => Effect.andThen(checkExtended(runner, statement), Effect.suspend(run)))

/** Parses and describes a statement, with a name or unnamed. */
const describeAs = (
  runner: QueryRunner,
  gate: Gate,
  name: string,
  statement: Request,
  parameterTypes: ReadonlyArray<number>
): Effect.Effect<StatementDescription, QueryError> => {
  const describe = (): Effect.Effect<StatementDescription, QueryError> =>
    runExchange<StatementDescription, DescriptionSink>(
      runner,
      gate,
      statement,
      flows.prepare,
      () => new DescriptionSink(),
      parseAndDescribe(name, keptText(statement), parameterTypes),
      describe
    )
  const { statementCache } = runner.planner
  return whenAllowed(
    runner,
    gate,
    statement,
    () => Effect.tap(describe(), (described) => statementCache.resolveTypes(described))
  )
}

const withTypes = (
  { defaultPreset, statementCache }: Planner,
  { fields, parameterTypes }: StatementDescription,
  preset = defaultPreset
): Description => ({ parameterTypes, fields: Preset.typed(preset, fields, statementCache.types.current.registry) })

/** Describes a statement without running it. */
export const describe = (runner: QueryRunner, gate: Gate, statement: Request): Effect.Effect<Description, QueryError> =>
  Effect.map(
    describeValues(runner, gate, statement),
    (described) => withTypes(runner.planner, described, statement.preset)
  )

const describeValues = (
  runner: QueryRunner,
  gate: Gate,
  statement: Request
): Effect.Effect<StatementDescription, QueryError> => {
  const { engine: { dialect }, planner } = runner
  const { parameters } = statement
  // The types to declare depend on the first description by the server.
  if (planner.statementCache.isEnabled && parameters.some(isUndecided)) {
    const pins = new Pins(false)
    const prepare = () => Effect.flatten(trySync(statement, () => planner.declarations.prepare(statement, pins)))
    return pins.whileHeld(whenAllowed(runner, gate, statement, prepare))
  }
  return Effect.flatMap(
    trySync(
      statement,
      () => dialect.inferredTypes ? declaredTypes(parameters) : typeOids(encodersOfTypes(dialect)(parameters))
    ),
    (oids) => describeAs(runner, gate, "", statement, oids)
  )
}

/** Prepares a statement that the server keeps until the scope closes. */
export const prepare = (
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  declared: ReadonlyArray<Type.Any>
): Effect.Effect<PreparedStatement, QueryError, Scope.Scope> => {
  const { engine: { dialect }, planner } = runner
  const { text } = statement
  if (!dialect.namedStatements) return refuse(dialect, "a prepared statement", statement)
  const cache = planner.statementCache
  const owned = cache.freshName()
  const oids = declared.map(({ oid }) => oid)
  const withValues = (parameters: ReadonlyArray<unknown>): Request => ({ text, parameters, preset: undefined })
  const find = (run: Request, pins: Pins) =>
    cache.getOwned(owned, { statement: run, text: keptText(statement), parameterTypes: oids }, pins)
  const close = Effect.suspend(() => {
    const name = dialect.inferredTypes ? cache.releaseOwned(owned) : owned
    if (name === undefined) return Effect.void
    const exchange = new Exchange(flows.close, new Discard())
    runner.engine.submit(exchange, (out) => {
      writeFrontend(out, { _tag: "Close", kind: "S", name })
      writeFrontend(out, syncMessage)
    })
    return runner.engine.cancellation.awaitEnd(exchange, "answer to Close")
  })
  // The server may have stored it even if no caller waits any more; closing a statement that does not exist is no
  // error.
  const describing: Effect.Effect<StatementDescription, QueryError> = Effect.onInterrupt(
    dialect.inferredTypes
      ? whenAllowed(runner, gate, statement, () => find(statement, new Pins(false)))
      : describeAs(runner, gate, owned, statement, oids),
    () => close
  )
  return Effect.acquireRelease(describing, () => close, { interruptible: true }).pipe(Effect.map((described) => {
    let reading: ResultDecoders | undefined
    const plan: PlanStatement = (_, statement, shape, pins) => {
      if (!dialect.inferredTypes) {
        return Effect.andThen(
          checkExtended(runner, statement),
          trySync(statement, () => {
            reading ??= planner.declaredDecoders(described)
            return planner.declaredUnsafe(statement, shape, owned, reading, declared)
          })
        )
      }
      const refused = refusal(runner, text)
      if (refused !== undefined) return failQuery(refused, "nothing", statement)
      return hasLateColumns(text) ? planner.planUnprepared(statement, shape) : flatMapEager(
        find(statement, pins),
        (prepared) => trySync(statement, () => planner.preparedUnsafe(statement, shape, prepared))
      )
    }
    const reads = makeReads(runner, plan, withValues)
    return {
      ...withTypes(planner, described),
      query: (...parameters) => reads.query(parameters),
      values: (...parameters) => reads.values(parameters),
      columns: (...parameters) => reads.columns(parameters),
      execute: (...parameters) => reads.execute(parameters),
      stream: (...parameters) => reads.stream(parameters),
      streamValues: (...parameters) => reads.streamValues(parameters)
    }
  }))
}
