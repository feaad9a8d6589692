/**
 * Transactions, and savepoints inside them.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { TransactionOptions } from "../Queries.ts"
import { type QueryError, TransactionRolledBack, UnsupportedError } from "../QueryError.ts"
import type { Result } from "../Result.ts"
import type { Engine } from "./engine.ts"
import { Gate } from "./gate.ts"

/** The transaction that a fiber works in. */
export interface Current {
  readonly engine: Engine
  readonly gate: Gate
  readonly depth: number
}

/** @internal */
export const CurrentTransaction: Context.Reference<Current | undefined> = Context.Reference<Current | undefined>(
  "@hyperfect/client/CurrentTransaction",
  { defaultValue: () => undefined }
)

interface Host {
  readonly engine: Engine
  readonly kind: "hyper" | "postgres"
  readonly exclusive: Effect.Effect<void, never, Scope.Scope>
  /** Runs a command by the simple protocol, regardless of who has the session. */
  readonly command: (text: string) => Effect.Effect<ReadonlyArray<Result<unknown>>, QueryError>
}

const begin = (options: TransactionOptions | undefined): string =>
  [
    "BEGIN",
    ...(options?.isolation === undefined ? [] : [`ISOLATION LEVEL ${options.isolation.toUpperCase()}`]),
    ...(options?.access === undefined ? [] : [options.access.toUpperCase()])
  ].join(" ")

/** @internal */
export const transaction = <A, E, R>(
  host: Host,
  effect: Effect.Effect<A, E, R>,
  options: TransactionOptions | undefined
): Effect.Effect<A, E | QueryError | TransactionRolledBack, R> =>
  Effect.flatMap(CurrentTransaction, (outer): Effect.Effect<A, E | QueryError | TransactionRolledBack, R> => {
    const { command, engine, kind } = host
    const depth = outer?.engine === engine ? outer.depth + 1 : 0
    if (depth > 0 && kind === "hyper") {
      return Effect.fail(
        new UnsupportedError({ feature: "a transaction inside a transaction (savepoints)", server: kind })
      )
    }
    const savepoint = `hyperfect_${depth}`
    const start = depth === 0 ? begin(options) : `SAVEPOINT ${savepoint}`
    const commit = depth === 0 ? "COMMIT" : `RELEASE SAVEPOINT ${savepoint}`
    const rollback = depth === 0 ? "ROLLBACK" : `ROLLBACK TO SAVEPOINT ${savepoint}; RELEASE SAVEPOINT ${savepoint}`
    // On a dead session the server has rolled back by itself.
    const undo = Effect.ignore(command(rollback))
    const current: Current = { engine, gate: new Gate(), depth }
    return Effect.scoped(Effect.andThen(
      host.exclusive,
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          yield* Effect.onInterrupt(restore(command(start)), () => undo)
          const exit = yield* Effect.exit(restore(Effect.provideService(effect, CurrentTransaction, current)))
          if (Exit.isFailure(exit)) {
            yield* undo
            return yield* exit
          }
          const [result] = yield* command(commit)
          // A transaction in which a statement failed cannot be committed; the server says so in the tag alone.
          if (depth === 0 && result?.commandTag !== "COMMIT") return yield* new TransactionRolledBack()
          return exit.value
        })
      )
    ))
  })
