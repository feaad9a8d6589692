/** The loops of this suite for clients with an Effect API. */
import { Effect, Exit, Scope } from "effect"

const sumOf = (one: Effect.Effect<number, unknown>) =>
  Effect.fnUntraced(function*(count: number) {
    let sum = 0
    for (let i = 0; i < count; i++) sum += yield* one
    return sum
  })

export const loops = (one: Effect.Effect<number, unknown>) => {
  const sum = sumOf(one)
  return {
    sequential: (count: number) => Effect.runPromise(sum(count)),
    inFlight: (count: number, width: number) =>
      Effect.runPromise(Effect.map(
        Effect.forEach(Array.from({ length: width }), () => sum(count / width), { concurrency: "unbounded" }),
        (sums) => sums.reduce((a, b) => a + b)
      ))
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
