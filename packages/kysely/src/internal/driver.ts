/**
 * A pool as a driver of Kysely.
 *
 * Statements that begin and end transactions are run by `executeQuery`, as the others, because Kysely's log wraps it.
 *
 * @internal
 */
import * as Pool from "@hyperfect/client/Pool"
import { identifier } from "@hyperfect/client/Statement"
import type * as Preset from "@hyperfect/values/Preset"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import {
  type AbortableOperationOptions,
  AbortedTransactionError,
  CompiledQuery,
  type Driver,
  type TransactionSettings
} from "kysely"
import { promiseOf, runPromise, SessionConnection } from "./connection.ts"

/** Each savepoint is named by Kysely's caller, so its name is quoted. */
const runSavepoint = (command: string) => async (connection: SessionConnection, name: string): Promise<void> => {
  await connection.executeQuery(CompiledQuery.raw(`${command} ${identifier(name).text}`))
}

/** Runs an effect with a scope of its own, which is closed if it fails. */
const withScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<readonly [A, Scope.Closeable], E> => {
  const scope = Scope.makeUnsafe()
  return Scope.provide(effect, scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    Effect.map((a) => [a, scope])
  )
}

export class PoolDriver implements Driver {
  private readonly acquire: Effect.Effect<Context.Context<Pool.Pool>, unknown, Scope.Scope>
  private readonly preset: Preset.Preset
  private opened: readonly [Context.Context<Pool.Pool>, Scope.Closeable] | undefined

  constructor(acquire: PoolDriver["acquire"], preset: Preset.Preset) {
    this.acquire = acquire
    this.preset = preset
  }

  async init(): Promise<void> {
    this.opened = await runPromise(Effect.suspend(() => withScope(this.acquire)))
  }

  async acquireConnection(options?: AbortableOperationOptions): Promise<SessionConnection> {
    const [context] = this.opened!
    const lease = Effect.suspend(() => withScope(Context.get(context, Pool.Pool).session))
    const fiber = Effect.runForkWith(context)(lease, options?.signal && { signal: options.signal })
    const [session, scope] = await promiseOf(fiber)
    return new SessionConnection(session, scope, context, this.preset)
  }

  async beginTransaction(connection: SessionConnection, settings: TransactionSettings): Promise<void> {
    const { accessMode, isolationLevel } = settings
    const modes = [isolationLevel && `isolation level ${isolationLevel}`, accessMode].filter(Boolean)
    const text = modes.length === 0 ? "begin" : `start transaction ${modes.join(" ")}`
    await connection.executeQuery(CompiledQuery.raw(text))
  }

  async commitTransaction(connection: SessionConnection): Promise<void> {
    const { rows } = await connection.executeQuery<{ readonly command: string }>(CompiledQuery.raw("commit"))
    if (rows[0]?.command === "ROLLBACK") throw new AbortedTransactionError()
  }

  async rollbackTransaction(connection: SessionConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("rollback"))
  }

  readonly savepoint = runSavepoint("savepoint")
  readonly rollbackToSavepoint = runSavepoint("rollback to")
  readonly releaseSavepoint = runSavepoint("release")

  async releaseConnection({ scope }: SessionConnection): Promise<void> {
    await runPromise(Scope.close(scope, Exit.void))
  }

  async destroy(): Promise<void> {
    await runPromise(Scope.close(this.opened![1], Exit.void))
  }
}
