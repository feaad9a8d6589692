/**
 * A program of which any number of copies run, and one does the work: the leader of `leader/election.ts`, which adds a row
 * to a table every second.
 *
 * Run: DATABASE_URL=postgresql://user:password@host:port/database node --conditions=@hyperfect/source packages/examples/leader.ts NAME
 */
import { NodeRuntime } from "@effect/platform-node"
import { Lock, Pool, Statement } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { Config, Effect, Layer, Schedule } from "effect"
import { createTable, stand } from "./leader/election.ts"

const name = process.argv[2] ?? `process ${process.pid}`

const program = Effect.gen(function*() {
  const pool = yield* Pool.Pool
  const ticks = "create table if not exists ticks (term int, leader text, at timestamptz default now())"
  // Two copies must not create a table at once, even by `if not exists`.
  yield* Lock.withLock(Effect.andThen(createTable, pool.execute(ticks)), "tables")
  yield* stand("ticks", (term) =>
    Effect.logInfo(`${name} leads term ${term.number}`).pipe(
      Effect.andThen(
        term.transaction(
          pool.execute(Statement.sql`insert into ticks (term, leader) values (${term.number}, ${name})`)
        ).pipe(Effect.repeat(Schedule.spaced("1 second")))
      )
    ))
})

const database = Pool.layerConfig(Config.Redacted("DATABASE_URL"))

program.pipe(Effect.provide(Layer.provide(database, NodePlatform.layer)), NodeRuntime.runMain)
