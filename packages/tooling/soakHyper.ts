/** Loads rows into Hyper databases, each released by the end of its session and read again by another one. */
import { Client } from "@hyperfect/client/Client"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { Cause, Effect, Exit, FileSystem, Random, Schema } from "effect"
import { deepStrictEqual } from "node:assert"
import type { Report } from "./soakReport.ts"

const Load = HyperTable.make("load", { n: Schema.Int, text: HyperTable.Text })

/** The number of databases; each of them is loaded repeatedly. */
const databases = 3

/** The number of loads after which the server is replaced. */
const loadsPerServer = 20

/** The maximum number of rows in a database before it is replaced by an empty one. */
const maxRows = 200_000

const insert = (from: number, size: number) =>
  Load.insert(Array.from({ length: size }, (_, i) => ({ n: from + i, text: `row ${from + i}` })))

/** Adds rows to a database that is known to contain `held` rows, and releases it. */
const load = (database: string, held: number, size: number) =>
  Effect.scoped(Effect.gen(function*() {
    const session = yield* Hyper.make({ database, create: held === 0 ? "replace" : "never" })
    const filled = held === 0 ? Effect.andThen(Load.create, insert(0, size)) : insert(held, size)
    yield* Effect.provideService(filled, Client, session)
  }))

/** Reads a database in a new session: it must contain each of the rows from 0 on once. */
const check = (database: string, held: number) =>
  Effect.scoped(Effect.gen(function*() {
    const session = yield* Hyper.make({ database })
    const { rows } = yield* session.values("select count(*), sum(n), count(distinct text) from load")
    deepStrictEqual(rows[0]!.map((value) => Number(String(value))), [held, held * (held - 1) / 2, held], database)
  }))

/** Loads and reads forever. Every failure is a violation: no faults are injected here. */
export const hyperLoads = (report: Report) =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const workingDirectory = yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-soak-" })
    const counts = report.work["load into Hyper"] ??= { answered: 0, failed: 0, interrupted: 0 }
    const held = new Array<number>(databases).fill(0)
    const once = Effect.gen(function*() {
      const i = Math.floor((yield* Random.next) * databases)
      const size = 1 + Math.floor((yield* Random.next) * 20_000)
      const before = held[i]! > maxRows ? 0 : held[i]!
      yield* load(`${i}.hyper`, before, size)
      held[i] = before + size
      yield* check(`${i}.hyper`, held[i]!)
      counts.answered++
      yield* Effect.sleep("200 millis")
    })
    const serve = Effect.scoped(Effect.gen(function*() {
      const hyperd = yield* Hyperd.make({ workingDirectory })
      yield* Effect.provideService(Effect.repeat(once, { times: loadsPerServer - 1 }), Hyperd.Hyperd, hyperd)
    }))
    yield* Effect.forever(serve)
  })).pipe(
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
        report.violations.push(`loads into Hyper: ${Cause.pretty(exit.cause)}`)
      }
    })
  )
