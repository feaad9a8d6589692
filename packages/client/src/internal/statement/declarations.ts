/**
 * Declares the types of numbers and booleans in Parse, where the first declaration does not suit the values.
 *
 * Numbers are first left to the server, which infers their types. Where nothing determines the type of a parameter, as
 * in `greatest($1, $2)`, the server assumes text or refuses the statement. Then the statement is prepared once more
 * with the types of the values. If the server refuses that, as it does for `relname = $1`, the first result counts. A
 * boolean is declared as one, unless that is refused and the server expects JSON there.
 *
 * Only statements that need it pay for it: one round trip when they are prepared, and a check of their numbers when
 * they are run. In a transaction all of this is guarded by savepoints, because a refusal must not end the transaction.
 *
 * @internal
 */
import * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as Effect from "effect/Effect"
import type { QueryError } from "../../QueryError.ts"
import { withoutLiterals } from "../../QueryText.ts"
import type { Engine } from "../engine/engine.ts"
import type { StatementComment } from "../model/comment.ts"
import { flatMapEager, isExit } from "../session/queryError.ts"
import { declaredTypes, isNumeric, isUndecided, ownTypes } from "./parameters.ts"
import type { Pins } from "./pins.ts"
import { isSameList, type Prepared, type StatementCache, statementKey } from "./prepared.ts"

type TypeOids = ReadonlyArray<number>
type Values = ReadonlyArray<unknown>
type Preparation = Effect.Effect<Prepared, QueryError>

/** A statement with its values. */
interface Request {
  readonly text: string
  readonly parameters: Values
  readonly comment?: StatementComment | undefined
}

/** The number of parameters beyond which they are declared all together or not at all. */
const maxTriedAlone = 8

/** The maximum number of choices that are remembered. */
const capacity = 1024

/** PostgreSQL's errors for a parameter whose type it cannot determine, or that has a wrong type. */
const typeErrors = /^42(?:725|804|846|883|P18)$/

/** The errors for a statement that the server does not accept. */
const refusals = /^(?:0A|22|42)/

const isServerError = (error: QueryError, sqlStates: RegExp): boolean =>
  error._tag === "ServerError" && sqlStates.test(error.reason.sqlState)

const booleanTypes = TypeRegistry.oidsOf("boolean", "json")

const takesBooleans = (type: Type.Any | undefined): boolean =>
  type !== undefined && booleanTypes.has(Type.underlying(type).oid)

/**
 * Other declarations for a refused statement, in the order in which they are tried. The index of the accepted one is
 * remembered.
 */
const alternatives: ReadonlyArray<(values: Values) => TypeOids> = [
  (values) => ownTypes(values, (value) => typeof value === "boolean" || isNumeric(value)),
  (values) => ownTypes(values, () => false),
  (values) => ownTypes(values, isNumeric)
]

/**
 * True if the server expects a boolean or JSON for each boolean that was not declared. Elsewhere the refusal is final.
 */
const isAccepted = ({ declared, parameterTypes, registry }: Prepared, values: Values): boolean =>
  values.every((value, i) =>
    typeof value !== "boolean" || declared[i] !== 0 || takesBooleans(registry.find(parameterTypes[i]!))
  )

/** True if a text has a placeholder for each value. A statement with surplus values must be refused. */
const hasPlaces = (text: string, values: Values): boolean => {
  const places = new Set(Array.from(withoutLiterals(text).matchAll(/\$(\d+)/g), ([, place]) => Number(place)))
  return values.every((_, i) => places.has(i + 1))
}

/** True if a number stands where the server expects another type. */
const hasMisfit = ({ misfits }: Prepared, values: Values): boolean => {
  for (const i of misfits) if (isNumeric(values[i])) return true
  return false
}

/** True if the undeclared values, such as strings, have the same types as before numbers were declared. */
const isAsBefore = (base: Prepared, { parameterTypes }: Prepared, values: Values): boolean =>
  values.every((value, i) => value === null || isNumeric(value) || parameterTypes[i] === base.parameterTypes[i])

/** Converts a `bigint` that fits in 32 bits to a number. */
const narrowed = (value: unknown): unknown =>
  typeof value === "bigint" && BigInt.asIntN(32, value) === value ? Number(value) : value

/** Pins a statement while another one is requested, which could evict it. */
const holding = (base: Prepared, pins: Pins, get: () => Preparation): Preparation => {
  base.origin.pins++
  const found = get()
  base.origin.pins--
  if (!isExit(found)) pins.add(base.origin)
  return found
}

/** Prepares the statements of a session by their values. */
export class Declarations {
  private readonly engine: Engine
  private readonly cache: StatementCache
  /** The index of the accepted alternative, by the keys of refused statements. */
  private readonly accepted = new Map<string, number>()

  constructor(engine: Engine, cache: StatementCache) {
    this.engine = engine
    this.cache = cache
  }

  /**
   * Returns the prepared statement for these values. The effect is already an exit if the statement is known. Throws a
   * `ValueError.Reason`.
   */
  prepare(statement: Request, pins: Pins): Preparation {
    const { parameters, text } = statement
    const declared = declaredTypes(parameters)
    if (this.accepted.size > 0) {
      const key = statementKey(text, declared)
      const index = this.accepted.get(key)
      if (index !== undefined) return this.prepareAccepted(key, index, statement, pins)
    }
    const found = this.cache.get(statement, declared, pins, parameters)
    if (isExit(found)) {
      return found._tag === "Success" && hasMisfit(found.value, parameters)
        ? this.refine(found.value, statement, pins)
        : found
    }
    return found.pipe(
      Effect.catch((error) => this.otherwise(error, statement, declared, pins)),
      Effect.flatMap((prepared) => this.refine(prepared, statement, pins))
    )
  }

  private prepareAccepted(key: string, index: number, statement: Request, pins: Pins): Preparation {
    const { parameters } = statement
    const found = this.cache.get(statement, alternatives[index]!(parameters), pins, parameters)
    const prepared = isExit(found) ? found : Effect.catch(found, (error) => {
      this.accepted.delete(key)
      return isServerError(error, refusals) && this.isSafe ? this.prepare(statement, pins) : Effect.fail(error)
    })
    return flatMapEager(prepared as Preparation, (prepared) => this.refine(prepared, statement, pins))
  }

  /** True if a refusal does no harm. */
  private get isSafe(): boolean {
    return this.cache.types.canGuard || this.engine.isOutsideTransaction
  }

  /** Declares other types for a refused statement. */
  private otherwise(error: QueryError, statement: Request, declared: TypeOids, pins: Pins): Preparation {
    const { parameters, text } = statement
    if (!isServerError(error, refusals) || !parameters.some(isUndecided) || !this.isSafe) return Effect.fail(error)
    const next = (index: number): Preparation => {
      const types = alternatives[index]?.(parameters)
      if (types === undefined) return this.refuse(error, statement, declared, pins)
      if (isSameList(types, declared)) return next(index + 1)
      return Effect.matchEffect(this.cache.get(statement, types, pins, parameters), {
        onFailure: (other) => isServerError(other, refusals) ? next(index + 1) : Effect.fail(other),
        onSuccess: (prepared) => {
          if (!isAccepted(prepared, parameters)) return next(index + 1)
          if (this.accepted.size === capacity) this.accepted.clear()
          this.accepted.set(statementKey(text, declared), index)
          return Effect.succeed(prepared)
        }
      })
    }
    return next(isServerError(error, typeErrors) && hasPlaces(text, parameters) ? 0 : alternatives.length)
  }

  /** Fails with the first error. A transaction that was guarded against it fails as it would with any other error. */
  private refuse(error: QueryError, statement: Request, declared: TypeOids, pins: Pins): Preparation {
    return this.engine.status === "I" ? Effect.fail(error) : this.cache.get(statement, declared, pins)
  }

  /** Declares the numbers that stand where the server expects another type. */
  private refine(base: Prepared, statement: Request, pins: Pins): Preparation {
    const { parameters } = statement
    if (!hasMisfit(base, parameters)) return Effect.succeed(base)
    const places = base.misfits.filter((i) => isNumeric(parameters[i]))
    const own = ownTypes(parameters, isNumeric)
    // For example, there is no operator for a `bigint` as an index.
    const narrow = ownTypes(parameters.map(narrowed), isNumeric)
    const declare = (types: TypeOids, places: ReadonlyArray<number>): TypeOids =>
      types.map((oid, i) => places.includes(i) ? oid : base.declared[i]!)
    const get = (types: TypeOids) => holding(base, pins, () => this.cache.get(statement, types, pins, parameters))
    const better = (prepared: Prepared) => isAsBefore(base, prepared, parameters) ? prepared : base

    const key = `${declare(own, places).join()} ${declare(narrow, places).join()}`
    const chosen = base.choices.get(key)
    if (chosen === base.declared) return Effect.succeed(base)
    if (chosen !== undefined) {
      const found = get(chosen)
      const prepared = isExit(found) ? found : Effect.catch(found, (error) => {
        base.choices.delete(key)
        return isServerError(error, refusals) && this.isSafe ? Effect.succeed(base) : Effect.fail(error)
      })
      return flatMapEager(prepared as Preparation, (prepared) => Effect.succeed(better(prepared)))
    }
    if (!this.isSafe) return Effect.succeed(base)

    const choose = (types: TypeOids, prepared: Prepared): Preparation => {
      if (base.choices.size === capacity) base.choices.clear()
      base.choices.set(key, types)
      return Effect.succeed(better(prepared))
    }
    const attempt = (
      types: TypeOids,
      onRefusal: () => Preparation,
      onSuccess: (prepared: Prepared) => Preparation = (prepared) => choose(types, prepared)
    ): Preparation =>
      Effect.matchEffect(get(types), {
        onFailure: (error) => isServerError(error, refusals) ? onRefusal() : Effect.fail(error),
        onSuccess
      })
    /** Tries the places one after the other, in addition to those that were accepted. */
    const tryAlone = (index: number, accepted: ReadonlyArray<number>, best: Prepared): Preparation => {
      const place = places[index]
      if (place === undefined) return choose(best.declared, best)
      const more = [...accepted, place]
      return attempt(
        declare(narrow, more),
        () => tryAlone(index + 1, accepted, best),
        (prepared) => tryAlone(index + 1, more, prepared)
      )
    }
    const keep = () =>
      places.length > 1 && places.length <= maxTriedAlone ? tryAlone(0, [], base) : choose(base.declared, base)
    return attempt(
      declare(own, places),
      isSameList(own, narrow) ? keep : () => attempt(declare(narrow, places), keep)
    )
  }
}
