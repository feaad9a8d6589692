/** The loops of this suite for clients with an Effect API. */
import { Effect, Exit, Scope } from "effect"
import { type Driver, type Parameters, parametersOf, type Query, type Row } from "./Driver.ts"

type One = (run: number) => Effect.Effect<number, unknown>

const sum = Effect.fnUntraced(function*(one: One, count: number) {
  let sum = 0
  for (let i = 0; i < count; i++) sum += yield* one(i)
  return sum
})

export const loops = (
  rowsOf: (text: string, parameters: Parameters) => Effect.Effect<ReadonlyArray<Row>, unknown>
): Pick<Driver, "sequential" | "inFlight"> => {
  const start = (query: Query): One => {
    const one = (run: number) => Effect.map(rowsOf(query.text, parametersOf(query, run)), query.numberOf)
    // A program makes the effect once where no parameters differ.
    const made = one(0)
    return query.parameters.length === 1 ? () => made : one
  }
  return {
    sequential: (query, count) => Effect.runPromise(sum(start(query), count)),
    inFlight: (query, count, width) => {
      const one = start(query)
      return Effect.runPromise(Effect.map(
        Effect.forEach(Array.from({ length: width }), () => sum(one, count / width), { concurrency: "unbounded" }),
        (sums) => sums.reduce((a, b) => a + b)
      ))
    }
  }
}

/** Acquires a resource for as long as the entry lives. */
export const acquire = async <A, E>(
  open: Effect.Effect<A, E, Scope.Scope>
): Promise<readonly [A, () => Promise<void>]> => {
  const scope = Scope.makeUnsafe()
  const opened = await Effect.runPromise(Scope.provide(open, scope))
  return [opened, () => Effect.runPromise(Scope.close(scope, Exit.void))]
}
