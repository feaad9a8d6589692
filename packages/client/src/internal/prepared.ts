/**
 * The prepared statements of a PostgreSQL session.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type * as Preset from "@hyperfect/values/Preset"
import * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { QueryError } from "../QueryError.ts"
import { type Engine, writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { Prepare } from "./exchanges.ts"
import { Reading } from "./reading.ts"

/** A statement that the server knows by name, and how its rows are asked for and read. */
export class Prepared {
  readonly name: string
  readonly parameterTypes: ReadonlyArray<number>
  private readonly fields: ReadonlyArray<RowDescription.FieldDescription>
  private readonly registry: TypeRegistry.TypeRegistry
  private readonly readings = new WeakMap<Preset.Preset, Reading>()

  constructor(
    name: string,
    parameterTypes: ReadonlyArray<number>,
    fields: ReadonlyArray<RowDescription.FieldDescription>,
    registry: TypeRegistry.TypeRegistry
  ) {
    this.name = name
    this.parameterTypes = parameterTypes
    this.fields = fields
    this.registry = registry
  }

  /** Binary for each column that has a codec for it, else text: so a type that is not known here arrives as text. */
  reading(preset: Preset.Preset): Reading {
    let reading = this.readings.get(preset)
    if (reading === undefined) {
      reading = new Reading(this.fields, preset, this.registry, (type) => Type.formatFor(type, Type.binary))
      this.readings.set(preset, reading)
    }
    return reading
  }
}

/** A statement that is being prepared. */
interface Preparing {
  readonly exchange: Prepare
  readonly outcome: Deferred.Deferred<Prepared, QueryError>
  /** How many fibers wait for it. */
  waiters: number
}

/** Prepares each statement once and forgets, on both sides, those that were not used for longest. */
export class Statements {
  private readonly engine: Engine
  private readonly registry: TypeRegistry.TypeRegistry
  private readonly capacity: number
  private readonly entries = new Map<string, Prepared | Preparing>()
  private readonly toClose: Array<string> = []
  private count = 0

  constructor(engine: Engine, registry: TypeRegistry.TypeRegistry, capacity: number) {
    this.engine = engine
    this.registry = registry
    this.capacity = Math.max(1, capacity)
  }

  /** The prepared statement of a text and the types that are declared for its parameters. */
  get(text: string, parameterTypes: ReadonlyArray<number>): Effect.Effect<Prepared, QueryError> {
    const key = parameterTypes.length === 0 ? text : `${parameterTypes.join()} ${text}`
    const entry = this.entries.get(key)
    if (entry === undefined) return this.prepare(key, text, parameterTypes)
    // A map keeps the order of insertion: what was used last goes to the end.
    this.entries.delete(key)
    this.entries.set(key, entry)
    return entry instanceof Prepared ? Effect.succeed(entry) : this.wait(key, entry)
  }

  private wait(key: string, preparing: Preparing): Effect.Effect<Prepared, QueryError> {
    return Effect.suspend(() => {
      preparing.waiters++
      return Effect.onInterrupt(Deferred.await(preparing.outcome), () => {
        preparing.waiters--
        if (preparing.waiters > 0) return Effect.void
        // Whoever comes now must not get what may be cancelled.
        if (this.entries.get(key) === preparing) this.entries.delete(key)
        return this.engine.forsake(preparing.exchange)
      })
    })
  }

  private prepare(
    key: string,
    text: string,
    parameterTypes: ReadonlyArray<number>
  ): Effect.Effect<Prepared, QueryError> {
    const outcome = Deferred.makeUnsafe<Prepared, QueryError>()
    const name = `hyperfect_${++this.count}`
    this.makeRoom()
    const stale = this.toClose.splice(0)
    let isSent = false
    // Not tied to the fiber that asks first: others may be waiting for the same statement.
    const exchange = new Prepare(states.Preparing, (exit) => {
      if (!isSent) this.toClose.push(...stale)
      if (Exit.isSuccess(exit)) {
        const prepared = new Prepared(name, exit.value.parameterTypes, exit.value.fields, this.registry)
        if (this.entries.get(key) === preparing) this.entries.set(key, prepared)
        else this.toClose.push(name)
        Deferred.doneUnsafe(outcome, Effect.succeed(prepared))
      } else {
        if (this.entries.get(key) === preparing) this.entries.delete(key)
        Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause))
      }
    })
    const preparing: Preparing = { exchange, outcome, waiters: 0 }
    this.entries.set(key, preparing)
    this.engine.submit(exchange, (out) => {
      for (const name of stale) writeFrontend(out, { _tag: "Close", kind: "S", name })
      writeFrontend(out, { _tag: "Parse", name, query: text, parameterTypes })
      writeFrontend(out, { _tag: "Describe", kind: "S", name })
      writeFrontend(out, sync)
      isSent = true
    })
    return this.wait(key, preparing)
  }

  private makeRoom(): void {
    if (this.entries.size < this.capacity) return
    const [key, oldest] = this.entries.entries().next().value!
    this.entries.delete(key)
    if (oldest instanceof Prepared) this.toClose.push(oldest.name)
  }

  /** Forgets a statement that has become useless, so that it is prepared anew. */
  forget(prepared: Prepared): void {
    for (const [key, entry] of this.entries) if (entry === prepared) this.entries.delete(key)
    this.toClose.push(prepared.name)
  }
}

const sync = Frontend.Sync.make({})
