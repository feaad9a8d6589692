/**
 * Saving of databases while they are in use, by time or by number of rows.
 *
 * @internal
 */
import type { Client } from "@hyperfect/client/Client"
import { ConnectionConfigError } from "@hyperfect/client/ConnectionConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Options } from "../../HyperOptions.ts"
import type { Releases } from "./release.ts"
import { save } from "./save.ts"

type ClientService = Client["Service"]

const invalid = (problem: string) =>
  Effect.fail(new ConnectionConfigError({ setting: "checkpoint", kind: "invalid", problem }))

/** Counts the rows that a client copies into tables, and opens a latch once there are enough. */
const countRows = <C extends ClientService>(client: C, enough: number, due: Latch.Latch): C => {
  let rows = 0
  const copyIn: ClientService["copyIn"] = (...args) =>
    Effect.tap(client.copyIn(...args), ({ rowCount }) => {
      rows += rowCount
      if (rows < enough) return Effect.void
      rows = 0
      return due.open
    })
  return Object.create(client, { copyIn: { value: copyIn, enumerable: true } }) as C
}

/** Saves whenever it is due, until that fails for good. */
const saveWhenever = (
  due: Effect.Effect<unknown>,
  client: ClientService,
  { saveTimeout }: Options,
  releases: Releases
): Effect.Effect<void> => {
  const loop: Effect.Effect<void> = Effect.matchEffect(Effect.andThen(due, save(client, saveTimeout)), {
    onSuccess: () => loop,
    onFailure: (error) => {
      if (error.isRetryable) return Effect.andThen(Effect.logWarning("no checkpoint was made", error), loop)
      if (error._tag === "SaveError") releases.fail(error)
      return Effect.logError("checkpoints have ended", error)
    }
  })
  return loop
}

/** Returns the function that starts the checkpoints of a client, for the scope. */
export const resolve = (options: Options) =>
  Effect.gen(function*() {
    const { checkpoint } = options
    const everyRows = hasProperty(checkpoint, "everyRows") ? checkpoint.everyRows : undefined
    if (everyRows !== undefined && (!Number.isInteger(everyRows) || everyRows < 1)) {
      return yield* invalid("everyRows must be an integer of at least 1")
    }
    const interval = checkpoint === undefined || hasProperty(checkpoint, "everyRows")
      ? undefined
      : Option.getOrUndefined(Duration.fromInput(checkpoint))
    if (
      checkpoint !== undefined && everyRows === undefined &&
      !(interval !== undefined && Duration.toMillis(interval) > 0)
    ) {
      return yield* invalid("must be a positive duration, or { everyRows }")
    }
    return <C extends ClientService>(client: C, releases: Releases): Effect.Effect<C, never, Scope.Scope> => {
      if (checkpoint === undefined) return Effect.succeed(client)
      const latch = Latch.makeUnsafe(false)
      const due = interval === undefined ? Effect.andThen(latch.await, latch.close) : Effect.sleep(interval)
      return Effect.as(
        Effect.forkScoped(saveWhenever(due, client, options, releases), { startImmediately: true }),
        everyRows === undefined ? client : countRows(client, everyRows, latch)
      )
    }
  })
