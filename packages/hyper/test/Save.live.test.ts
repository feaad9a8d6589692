import { assert, describe, it } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Query from "@hyperfect/client/Query"
import { sql } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as HyperdModule from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import type { SaveError } from "@hyperfect/hyper/SaveError"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Cause, Data, Deferred, Effect, Exit, Fiber, FileSystem, Layer, Schema, Scope } from "effect"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { fill, fullDisk } from "./fullDisk.ts"

const Row = HyperTable.make("rows", { n: Schema.Int })

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ n: from + i }))

const count = Effect.flatMap(Client, (client) => client.values(sql`select count(*)::int from ${Row}`)).pipe(
  Effect.map(({ rows }) => rows[0]![0])
)

/** Runs a test with two servers, and a folder for files. */
const withServers = <A, E>(
  test: (servers: {
    readonly on: <B, E1, R>(effect: Effect.Effect<B, E1, R>) => Effect.Effect<B, E1, Exclude<R, Hyperd>>
    readonly server: Hyperd["Service"]
    /** Copies a file, and counts the rows that another server finds in the copy. */
    readonly rowsInCopy: (
      file: string
    ) => Effect.Effect<unknown, Hyper.OpenError | SaveError, NodePlatform.NodePlatform>
    readonly folder: string
  }) => Effect.Effect<A, E, NodePlatform.NodePlatform | Scope.Scope>
) =>
  Effect.gen(function*() {
    const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    const server = yield* HyperdServer.make()
    const other = yield* HyperdServer.make()
    let copies = 0
    return yield* test({
      folder,
      server,
      on: Effect.provideService(Hyperd, server),
      rowsInCopy: (file) => {
        const copy = join(folder, `copy ${copies++}.hyper`)
        copyFileSync(file, copy)
        return count.pipe(Hyper.withDatabase({ database: copy }), Effect.provideService(Hyperd, other))
      }
    })
  }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer))

/** The tag of the error, and that of its reason. */
const failure = <A, E extends { readonly _tag: string; readonly reason?: unknown }, R>(
  effect: Effect.Effect<A, E, R>
) =>
  Effect.map(
    Effect.flip(effect),
    ({ _tag, reason }) => `${_tag} ${(reason as { readonly _tag?: string } | undefined)?._tag ?? ""}`.trim()
  )

const clients = [
  ["a session", {}],
  ["a pool", { pool: { min: 3, max: 3, warmUp: true } }]
] as const

describe.each(clients)("Hyper.save of %s", (_, options) => {
  it.live("success means that a copy of the file opens in another server with all rows", () =>
    withServers(({ folder, on, rowsInCopy, server }) =>
      Effect.gen(function*() {
        const database = "it's \"odd\".hyper"
        const file = join(server.workingDirectory, database)
        const second = join(folder, "second.hyper")
        yield* on(Hyper.withDatabase(Row.create, { database: second, create: "always" }))
        const Second = HyperTable.make("rows", { n: Schema.Int }, { database: "the second" })
        const First = HyperTable.make("rows", { n: Schema.Int }, { database })
        yield* Effect.gen(function*() {
          yield* First.create
          for (let round = 1; round <= 3; round++) {
            yield* First.insert(numbers(round, 1000))
            yield* Second.insert(numbers(round, 500))
            yield* Hyper.save()
            assert.strictEqual(yield* rowsInCopy(file), 1000 * round)
            assert.strictEqual(yield* rowsInCopy(second), 500 * round)
          }
          // Nothing new.
          yield* Hyper.save()
          yield* First.insert(numbers(0, 1))
          assert.strictEqual(yield* rowsInCopy(file), 3000)
        }).pipe(
          Hyper.withDatabase({ ...options, database, create: "always", attach: { "the second": second } }),
          on
        )
        assert.strictEqual(yield* rowsInCopy(file), 3001)
      })
    ))

  it.live("fails with InUse while another session has the database, and the data is as it was", () =>
    withServers(({ folder, on, rowsInCopy }) =>
      Effect.gen(function*() {
        const database = join(folder, "shared.hyper")
        yield* Effect.gen(function*() {
          yield* Row.create
          yield* Row.insert(numbers(0, 10))
          yield* Hyper.save()
          yield* Row.insert(numbers(0, 10))
          yield* Effect.scoped(Effect.gen(function*() {
            const other = yield* on(Hyper.make({ attach: { elsewhere: database } }))
            const error = yield* Effect.flip(Hyper.save())
            assert.isTrue(error._tag === "DatabaseError" && error.reason._tag === "InUse" && error.isRetryable)
            assert.strictEqual(yield* rowsInCopy(database), 10)
            assert.strictEqual(yield* count, 20)
            yield* other.simple("insert into \"elsewhere\".\"public\".\"rows\" values (1)")
            yield* Row.insert(numbers(0, 1))
            assert.strictEqual(yield* failure(Hyper.save()), "DatabaseError InUse")
          }))
          assert.strictEqual(yield* count, 22)
          yield* Hyper.save()
          assert.strictEqual(yield* rowsInCopy(database), 22)
        }).pipe(Hyper.withDatabase({ ...options, database, create: "always" }), on)
      })
    ))

  it.live("is refused in a transaction, which continues", () =>
    withServers(({ folder, on, rowsInCopy }) =>
      Effect.gen(function*() {
        const database = join(folder, "transaction.hyper")
        yield* Effect.gen(function*() {
          const client = yield* Client
          yield* Row.create
          yield* client.transaction(Effect.gen(function*() {
            yield* Row.insert(numbers(0, 10))
            assert.strictEqual(yield* failure(Hyper.save()), "UnsupportedError")
          }))
          yield* Hyper.save()
          assert.strictEqual(yield* rowsInCopy(database), 10)
        }).pipe(Hyper.withDatabase({ ...options, database, create: "always" }), on)
      })
    ))

  it.live("waits for the work in progress, and the work that comes waits for it", () =>
    withServers(({ folder, on, rowsInCopy }) =>
      Effect.gen(function*() {
        const database = join(folder, "busy.hyper")
        yield* Effect.gen(function*() {
          yield* Row.create
          const work = Effect.gen(function*() {
            let inserted = 0
            for (let i = 0; i < 20; i++) inserted += (yield* Row.insert(numbers(0, 100))).rows
            return inserted
          })
          const workers = yield* Effect.forkChild(Effect.all([work, work, work], { concurrency: "unbounded" }))
          for (let i = 0; i < 5; i++) {
            yield* Effect.sleep("20 millis")
            const before = yield* count
            yield* Hyper.save()
            assert.isAtLeast(Number(yield* rowsInCopy(database)), Number(before))
          }
          assert.deepStrictEqual(yield* Fiber.join(workers), [2000, 2000, 2000])
          yield* Hyper.save()
          assert.strictEqual(yield* rowsInCopy(database), 6000)
        }).pipe(Hyper.withDatabase({ ...options, database, create: "always" }), on)
      })
    ))

  it.live("is not stopped by an interruption or a time limit of queries", () =>
    withServers(({ folder, on, rowsInCopy }) =>
      Effect.gen(function*() {
        const database = join(folder, "limits.hyper")
        yield* Effect.gen(function*() {
          yield* Row.create
          yield* Row.insert(numbers(0, 200_000))
          const saving = yield* Effect.forkChild(Hyper.save(), { startImmediately: true })
          yield* Effect.sleep("1 millis")
          yield* Fiber.interrupt(saving)
          yield* Query.timeout(Hyper.save(), "1 millis")
          assert.strictEqual(yield* rowsInCopy(database), 200_000)
          yield* Row.insert(numbers(0, 1))
        }).pipe(Hyper.withDatabase({ ...options, database, create: "always" }), on)
        assert.strictEqual(yield* rowsInCopy(database), 200_001)
      })
    ))

  // A pool waits for its session before it gives it up, so one of both is enough.
  it.live.each("pool" in options ? ["save"] as const : ["save", "unload"] as const)(
    "fails with a SaveError if the server has stopped before: %s",
    (how) =>
      Effect.gen(function*() {
        const database = "stopped.hyper"
        const exit = yield* Effect.exit(
          Effect.gen(function*() {
            const { pid } = yield* Hyperd
            yield* Row.create
            process.kill(pid, "SIGSTOP")
            const limit = { saveTimeout: "300 millis" } as const
            yield* how === "save" ? Hyper.save(limit) : Hyper.unload(database, limit)
          }).pipe(
            Hyper.withDatabase({ ...options, database, create: "replace", saveTimeout: "300 millis" }),
            Effect.provide(HyperdServer.layer({ stopTimeout: "200 millis" }), { local: true })
          )
        )
        const errors = causesOf(exit).filter((error) => (error as { readonly _tag?: string })._tag === "SaveError")
        assert.deepStrictEqual(errors.map((error) => (error as SaveError).outcome), ["unknown", "unknown"])
      }).pipe(Effect.provide(NodePlatform.layer)),
    60_000
  )

  it.live(
    "fails with a SaveError if the disk is full, or the server does not answer",
    () =>
      withServers(({ folder, on }) =>
        Effect.gen(function*() {
          const hyperd = HyperdModule.layer(yield* fullDisk)
          yield* Effect.gen(function*() {
            yield* Row.create
            yield* Hyper.save()
            yield* fill
            const error = yield* Effect.flip(Hyper.save())
            assert.include(error, { _tag: "SaveError", outcome: "lost", isRetryable: false })
            // What was saved before is there.
            yield* Row.insert(numbers(0, 10))
            yield* Hyper.save()
            assert.strictEqual(yield* count, 10)
          }).pipe(
            Hyper.withDatabase({ ...options, database: "full.hyper", create: "replace" }),
            Effect.provide(hyperd, { local: true })
          )
          const late = Effect.andThen(fill, Hyper.save({ saveTimeout: "1 millis" })).pipe(
            Hyper.withDatabase({ ...options, database: join(folder, "late.hyper"), create: "replace" }),
            on
          )
          assert.include(yield* Effect.flip(late), { _tag: "SaveError", outcome: "unknown" })
        })
      ),
    60_000
  )

  it.live("deallocates prepared statements, which would end the server", () =>
    withServers(({ folder, on, server }) =>
      Effect.gen(function*() {
        const database = join(folder, "prepared.hyper")
        yield* Effect.gen(function*() {
          const client = yield* Client
          yield* Row.create
          const prepared = Effect.scoped(Effect.gen(function*() {
            const statement = yield* client.prepare("select count(*)::int as n from \"rows\"")
            assert.deepStrictEqual((yield* statement.query()).rows, [{ n: 0 }])
            if (!("processId" in client)) return
            yield* Hyper.save()
            assert.match(yield* failure(statement.query()), /^ServerError /)
          }))
          yield* prepared
          assert.strictEqual(yield* count, 0)
        }).pipe(
          Hyper.withDatabase({ ...options, database, create: "replace" }),
          on,
          Effect.raceFirst(server.exited)
        )
      })
    ))
})

class ProgramError extends Data.TaggedError("ProgramError")<{}> {}

/** All errors and defects of a cause. */
const causesOf = <A, E>(exit: Exit.Exit<A, E>): ReadonlyArray<unknown> =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.map((reason) =>
      Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) && reason.defect
    )
    : []

const failures = <A, E>(exit: Exit.Exit<A, E>): ReadonlyArray<E> =>
  Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error) : []

describe.each(clients)("Hyper.withDatabase of %s", (_, options) => {
  it.live(
    "H1: fails with a SaveError if the disk is full at the end, beside the error of the program",
    () =>
      Effect.gen(function*() {
        const hyperd = HyperdModule.layer(yield* fullDisk)
        const run = <A, E>(effect: Effect.Effect<A, E, Client>) =>
          effect.pipe(
            Hyper.withDatabase({ ...options, database: "full.hyper", create: "replace" }),
            Effect.provide(hyperd, { local: true })
          )
        const error = yield* Effect.flip(run(fill))
        assert.include(error, { _tag: "SaveError", outcome: "lost" })
        const exit = yield* Effect.exit(run(Effect.andThen(fill, new ProgramError())))
        assert.deepStrictEqual(failures(exit).map(({ _tag }) => _tag), ["SaveError", "ProgramError"])
        // The handler of one error does not hide the other.
        const handled = run(Effect.andThen(fill, new ProgramError())).pipe(
          Effect.catchTag("ProgramError", () => Effect.void),
          Effect.exit
        )
        assert.strictEqual(failures(yield* handled)[0]?._tag, "SaveError")
      }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)),
    60_000
  )

  it.live("H2: fails if the server is killed while it saves, or does not save in time", () =>
    Effect.gen(function*() {
      for (const how of ["SIGKILL", "SIGSTOP"] as const) {
        const exit = yield* Effect.exit(
          Effect.gen(function*() {
            const { pid } = yield* Hyperd
            yield* fill
            process.kill(pid, how)
          }).pipe(
            Hyper.withDatabase({ ...options, database: "k.hyper", create: "replace", saveTimeout: "300 millis" }),
            Effect.provide(HyperdServer.layer({ stopTimeout: "200 millis" }), { local: true })
          )
        )
        const causes = causesOf(exit)
        assert.include(causes[0], { _tag: "SaveError", outcome: "unknown" })
        // A server that had to be killed is reported too.
        if (how === "SIGSTOP") assert.match(String(causes[1]), /hyperd did not stop within 200 ms and was killed/)
      }
    }).pipe(Effect.provide(NodePlatform.layer)), 60_000)

  it.live(
    "saves whatever time limit queries have, and however the program ends",
    () =>
      withServers(({ folder, on, rowsInCopy }) =>
        Effect.gen(function*() {
          const database = join(folder, "limited.hyper")
          const load = Effect.andThen(Row.create, Row.insert(numbers(0, 300_000)))
          const open = { ...options, database, create: "replace" } as const
          const scope = yield* Scope.make()
          const client = yield* on(Scope.provide<Client["Service"], Hyper.OpenError, Hyper.Services | Scope.Scope>(
            "pool" in open ? Hyper.makePool(open) : Hyper.make(open),
            scope
          ))
          yield* Effect.provideService(load, Client, client)
          yield* Query.timeout(Scope.close(scope, Exit.void), "1 millis")
          assert.strictEqual(yield* rowsInCopy(database), 300_000)
          const failed = yield* Effect.exit(on(Hyper.withDatabase(Effect.andThen(load, new ProgramError()), open)))
          assert.deepStrictEqual(failures(failed), [new ProgramError()])
          assert.strictEqual(yield* rowsInCopy(database), 300_000)
          const loaded = yield* Deferred.make<void>()
          const forever = Effect.andThen(Deferred.succeed(loaded, undefined), Effect.never)
          const fiber = yield* Effect.forkChild(on(Hyper.withDatabase(Effect.andThen(load, forever), open)))
          yield* Deferred.await(loaded)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* rowsInCopy(database), 300_000)
        })
      ),
    60_000
  )
})

describe.each([
  ["a session", Hyper.layer],
  ["a pool", Hyper.layerPool]
])("the layer of %s", (_, layer) => {
  it.live("dies of what was lost, beside the error of the program", () =>
    Effect.gen(function*() {
      const live = layer({ database: "full.hyper", create: "replace" }).pipe(
        Layer.provide(HyperdModule.layer(yield* fullDisk))
      )
      const exit = yield* Effect.andThen(fill, new ProgramError()).pipe(
        Effect.provide(live, { local: true }),
        Effect.catchTag("ProgramError", () => Effect.void),
        Effect.exit
      )
      assert.deepStrictEqual(
        causesOf(exit).map((error) => (error as { readonly _tag: string })._tag),
        ["ProgramError", "SaveError"]
      )
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)))
})

describe("H3: kill -9 of the server", () => {
  it.live("loses what was committed since the last save, and nothing else", () =>
    withServers(({ folder, rowsInCopy }) =>
      Effect.gen(function*() {
        const database = join(folder, "killed.hyper")
        const exit = yield* Effect.exit(
          Effect.gen(function*() {
            const { exited, pid } = yield* Hyperd
            yield* Row.create
            yield* Row.insert(numbers(0, 1000))
            yield* Hyper.save()
            yield* Row.insert(numbers(0, 1000))
            process.kill(pid, "SIGKILL")
            yield* Effect.ignore(exited)
          }).pipe(
            Hyper.withDatabase({ database, create: "replace" }),
            Effect.provide(HyperdServer.layer(), { local: true })
          )
        )
        assert.include(failures(exit)[0], { _tag: "SaveError", outcome: "unknown" })
        assert.strictEqual(yield* rowsInCopy(database), 1000)
      })
    ))
})
