/**
 * Statements that a caller prepares for himself, and what a server says of a statement without running it.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Description, Executed, PreparedStatement } from "../Queries.ts"
import type { QueryError } from "../QueryError.ts"
import type { ColumnsResult, Result } from "../Result.ts"
import type { Types } from "./catalogue.ts"
import { attempt, chain } from "./circumstances.ts"
import { writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { Base, type Described, Prepare } from "./exchanges.ts"
import type { Gate } from "./gate.ts"
import { Collect, CollectColumns, Execute } from "./gathering.ts"
import { checkExtended, gather, type Host, outcomeOf, run } from "./host.ts"
import { declaredTypes, forHyper, typeOids } from "./parameters.ts"
import { arrays, type Asked, columns, nothing, objects, type Plan, type Shape } from "./plan.ts"
import { parseAndDescribe, Prepared, sync } from "./prepared.ts"
import type { IntoColumns, Reading, Rows } from "./reading.ts"
import { rows } from "./streams.ts"

/** Parse and Describe of a statement under a name, or under none. */
const describeAs = (
  host: Host,
  gate: Gate,
  name: string,
  statement: Asked,
  parameterTypes: ReadonlyArray<number>
): Effect.Effect<Described, QueryError> => {
  const describe = (): Effect.Effect<Described, QueryError> =>
    run<Described>(
      host,
      gate,
      statement,
      (done) => {
        const exchange: Prepare = new Prepare(
          states.Preparing,
          (exit) => done(outcomeOf(exit, exchange, statement))
        )
        return exchange
      },
      parseAndDescribe(name, statement.text, parameterTypes),
      describe
    )
  return gate.pass(
    statement,
    () =>
      checkExtended(host, statement).pipe(
        Effect.andThen(describe()),
        Effect.tap((described) => host.kind === "hyper" ? Effect.void : host.planner.statements.learn(described))
      )
  )
}

const typed = (preset: Preset.Preset, types: Types, { fields, parameterTypes }: Described): Description => ({
  parameterTypes,
  fields: Preset.typed(preset, fields, types.registry)
})

/** What the server says of a statement. */
export const describe = (
  host: Host,
  gate: Gate,
  types: Types,
  statement: Asked
): Effect.Effect<Description, QueryError> =>
  Effect.flatMap(
    attempt(statement, () =>
      host.kind === "hyper"
        ? typeOids(forHyper(statement.parameters))
        : declaredTypes(statement.parameters)),
    (oids) =>
      Effect.map(
        describeAs(host, gate, "", statement, oids),
        (described) => typed(statement.preset ?? host.planner.defaultPreset, types, described)
      )
  )

class Close extends Base<void> {
  onMessage(_message: Backend.Message): void {}
  protected result(): void {}
}

/** A statement that the server keeps until the scope closes. */
export const prepare = (
  host: Host,
  gate: Gate,
  types: Types,
  text: string,
  declared: ReadonlyArray<Type.Any>
): Effect.Effect<PreparedStatement, QueryError, Scope.Scope> => {
  const name = host.planner.statements.freshName()
  const withValues = (parameters: ReadonlyArray<unknown>): Asked => ({ text, parameters, preset: undefined })
  const close = Effect.suspend(() => {
    const exchange = new Close(states.Closing, () => {})
    host.engine.submit(exchange, (out) => {
      writeFrontend(out, { _tag: "Close", kind: "S", name })
      writeFrontend(out, sync)
    })
    return host.engine.seeOff(exchange, "answer to Close")
  })
  // The server may have it although nobody waits for it any more; closing what is not there is no error.
  const describing = Effect.onInterrupt(
    describeAs(host, gate, name, withValues([]), declared.map(({ oid }) => oid)),
    () => close
  )
  return Effect.acquireRelease(describing, () => close, { interruptible: true }).pipe(Effect.map((described) => {
    const { planner } = host
    const prepared = new Prepared(name, described.parameterTypes, described.fields, types)
    let reading: Reading | undefined
    const planUnsafe = <K>(statement: Asked, shape: Shape<K>): Effect.Effect<Plan<K>, QueryError> =>
      host.kind === "hyper"
        ? Effect.andThen(
          checkExtended(host, statement),
          attempt(statement, () => {
            reading ??= planner.declared(described)
            return planner.declaredUnsafe(statement, shape, name, reading, declared)
          })
        )
        : chain(
          planner.statements.settled(prepared),
          (prepared) =>
            attempt(statement, () => ({ ...planner.preparedUnsafe(statement, shape, prepared), prepared: undefined }))
        )
    const query = <Row>(parameters: ReadonlyArray<unknown>, shape: Shape<Rows<Row>>) => {
      const statement = withValues(parameters)
      return gather<Rows<Row>, Result<Row>>(host, statement, () => planUnsafe(statement, shape), Collect)
    }
    const stream = <Row>(parameters: ReadonlyArray<unknown>, shape: Shape<Rows<Row>>) => {
      const statement = withValues(parameters)
      return rows(host, statement, Effect.suspend(() => planUnsafe(statement, shape)))
    }
    return {
      ...typed(planner.defaultPreset, types, described),
      query: (...parameters) => query<ObjectRow>(parameters, objects),
      values: (...parameters) => query<ArrayRow>(parameters, arrays),
      columns: (...parameters) => {
        const statement = withValues(parameters)
        return gather<IntoColumns, ColumnsResult>(host, statement, () => planUnsafe(statement, columns), CollectColumns)
      },
      execute: (...parameters) => {
        const statement = withValues(parameters)
        return gather<undefined, Executed>(host, statement, () => planUnsafe(statement, nothing), Execute)
      },
      stream: (...parameters) => stream<ObjectRow>(parameters, objects),
      streamValues: (...parameters) => stream<ArrayRow>(parameters, arrays)
    }
  }))
}
