import { assert, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import { sql } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as HyperdModule from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { SaveError } from "@hyperfect/hyper/SaveError"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Cause, Data, Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fill, fullDisk } from "./fullDisk.ts"

const { Hyperd } = HyperdModule

const Answer = HyperTable.make("answers", { answer: Schema.Int })

const answersOf = (table: typeof Answer) =>
  Effect.flatMap(
    Client,
    (client) =>
      Effect.map(client.query(sql`select answer from ${table}`), ({ rows }) => rows.map(({ answer }) => answer))
  )

const answers = answersOf(Answer)

const createWith = (answer: number) => Effect.andThen(Answer.create, Answer.insert([{ answer }]))

/** The address and the account of a server, as a program knows them that has not started it. */
const address = Effect.map(Hyperd, ({ endpoint, password, user, workingDirectory }) => ({
  config: { endpoint, password, user },
  file: (name: string) => join(workingDirectory, name)
}))

const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag: string } }
    return reason === undefined ? _tag : `${_tag} ${reason._tag}`
  })

class ProgramError extends Data.TaggedError("ProgramError")<{}> {}

const tagsOf = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>): ReadonlyArray<string> =>
  Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error._tag) : []

const server = HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer))

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("a Hyper server that runs elsewhere", (it) => {
  it.effect("H10: has databases created, opened, replaced and attached", () =>
    Effect.gen(function*() {
      const { config, file } = yield* address
      const on = <A, E, R>(options: Partial<Hyper.RemoteOptions>, effect: Effect.Effect<A, E, R>) =>
        Effect.provide(effect, Hyper.layerRemote({ ...config, ...options }), { local: true })
      const database = "remote.hyper"
      assert.strictEqual(yield* errorOf(on({ database }, answers)), "DatabaseError Missing")
      yield* on({ database, create: "always", version: 4 }, createWith(1))
      assert.isTrue(existsSync(file(database)))
      assert.strictEqual(yield* errorOf(on({ database, create: "always" }, answers)), "ServerError DuplicateDatabase")
      assert.deepStrictEqual(yield* on({ database, create: "if-not-exists" }, answers), [1])
      yield* on({ database, create: "replace" }, createWith(2))
      assert.deepStrictEqual(yield* on({ database }, answers), [2])
      const Named = HyperTable.make("answers", { answer: Schema.Int }, { database: "named" })
      assert.deepStrictEqual(yield* on({ attach: { named: database } }, answersOf(Named)), [2])
      assert.deepStrictEqual(
        yield* on({ attach: { named: database }, pool: { max: 2, min: 2, warmUp: true } }, answersOf(Named)),
        [2]
      )
    }))

  it.effect("saves and unloads databases that are in use", () =>
    Effect.gen(function*() {
      const { config, file } = yield* address
      const second = yield* HyperdServer.make()
      const elsewhere = (path: string) =>
        answers.pipe(
          Effect.provide(Hyper.layerRemote({ ...second, database: path }), { local: true })
        )
      yield* Effect.gen(function*() {
        yield* createWith(3)
        yield* Hyper.save()
        assert.strictEqual(yield* errorOf(elsewhere(file("saved.hyper"))), "DatabaseError Locked")
        yield* Answer.insert([{ answer: 4 }])
        yield* Hyper.unload("saved.hyper")
        assert.deepStrictEqual(yield* elsewhere(file("saved.hyper")), [3, 4])
      }).pipe(Effect.provide(Hyper.layerRemote({ ...config, database: "saved.hyper", create: "always" })))
    }))

  it.effect("refuses to replace a file atomically, and a wrong password", () =>
    Effect.gen(function*() {
      const { config } = yield* address
      const atomic = { ...config, database: "a.hyper", create: "atomic" } as unknown as Hyper.RemoteOptions
      const error = yield* Effect.flip(Hyper.makeRemote(atomic))
      assert(error._tag === "ConnectionConfigError")
      assert.strictEqual(error.setting, "create")
      assert.include(error.message, "use Hyper.layer")
      assert.strictEqual(
        yield* errorOf(Hyper.makeRemote({ ...config, password: undefined, database: "a.hyper" })),
        "AuthError PasswordMissing"
      )
    }))

  it.effect("is not PostgreSQL, of which nothing is dropped", () =>
    Effect.gen(function*() {
      const postgres = yield* PostgresServer.make({ databases: ["app"] })
      for (const options of [{ create: "replace" as const }, { pool: {} }, {}]) {
        const error = yield* Effect.flip(Hyper.makeRemote({ ...postgres, database: "app", ...options }))
        assert(error._tag === "ConnectionConfigError", String(error))
        assert.include(error.message, "other than Hyper")
      }
    }))

  it.effect("fails with a SaveError if its disk is full, beside the error of the program", () =>
    Effect.gen(function*() {
      const full = yield* HyperdModule.make(yield* fullDisk)
      const run = <A, E>(effect: Effect.Effect<A, E, Client>) =>
        Effect.exit(
          Hyper.withRemoteDatabase(effect, { ...full, database: "full.hyper", create: "replace" })
        )
      assert.deepStrictEqual(tagsOf(yield* run(fill)), ["SaveError"])
      assert.deepStrictEqual(
        tagsOf(yield* run(Effect.andThen(fill, new ProgramError()))),
        ["SaveError", "ProgramError"]
      )
      const layered = yield* Effect.exit(
        Effect.provide(fill, Hyper.layerRemote({ ...full, database: "full.hyper", create: "replace" }))
      )
      assert(Exit.isFailure(layered))
      assert.instanceOf(Cause.squash(layered.cause), SaveError)
    }))
})

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("Hyper.withAttached", (it) => {
  const Named = HyperTable.make("answers", { answer: Schema.Int }, { database: "named" })
  const attached = { database: "attached.hyper", as: "named" }

  const withFile = Effect.gen(function*() {
    yield* Hyper.dropDatabase(attached.database, { ifExists: true })
    yield* Hyper.createDatabase(attached.database)
  })

  it.effect("attaches a database for an effect, and saves it at the end", () =>
    Effect.gen(function*() {
      const { workingDirectory } = yield* Hyperd
      const other = yield* HyperdServer.make()
      const saved = answers.pipe(
        Hyper.withRemoteDatabase({ ...other, database: join(workingDirectory, attached.database) })
      )
      yield* withFile
      yield* Effect.andThen(Named.create, Named.insert([{ answer: 1 }])).pipe(Hyper.withAttached(attached))
      assert.deepStrictEqual(yield* saved, [1])
      // What was committed before a failure or an interruption is saved, too.
      const failed = yield* Effect.exit(
        Hyper.withAttached(Effect.andThen(Named.insert([{ answer: 2 }]), new ProgramError()), attached)
      )
      assert.deepStrictEqual(tagsOf(failed), ["ProgramError"])
      const ready = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        Hyper.withAttached(
          Effect.andThen(
            Effect.andThen(Named.insert([{ answer: 3 }]), Deferred.succeed(ready, undefined)),
            Effect.never
          ),
          attached
        )
      )
      yield* Deferred.await(ready)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* saved, [1, 2, 3])
      const client = yield* Client
      const { rows } = yield* client.values("select count(*) from pg_catalog.hyper_attached_database")
      assert.deepStrictEqual(rows, [[BigInt(0)]])
    }).pipe(Effect.provide(Hyper.layer())))

  it.effect("fails with a SaveError if the disk is full, beside the error of the effect", () =>
    Effect.gen(function*() {
      const full = yield* HyperdModule.make(yield* fullDisk)
      const fillNamed = Effect.flatMap(Client, (client) =>
        client.simple(
          `create table "named"."public"."t" as (select n, random()::text as s from generate_series(1, 100000) as g(n))`
        ))
      yield* Effect.gen(function*() {
        yield* withFile
        assert.deepStrictEqual(tagsOf(yield* Effect.exit(Hyper.withAttached(fillNamed, attached))), ["SaveError"])
        const both = Effect.andThen(fillNamed, new ProgramError())
        assert.deepStrictEqual(
          tagsOf(yield* Effect.exit(Hyper.withAttached(both, attached))),
          ["SaveError", "ProgramError"]
        )
      }).pipe(Effect.provide(Hyper.layerRemote(full)))
    }))

  it.effect("fails for a missing database, over a pool and in a transaction", () =>
    Effect.gen(function*() {
      const hyperd = yield* Hyperd
      const used = Hyper.withAttached(Effect.die("it runs"), attached)
      const on = <A, E, R>(options: Partial<Hyper.RemoteOptions>, effect: Effect.Effect<A, E, R>) =>
        Effect.provide(effect, Hyper.layerRemote({ ...hyperd, ...options }), { local: true })
      yield* on({}, withFile)
      assert.strictEqual(yield* errorOf(on({ pool: {} }, used)), "UnsupportedError")
      const inTransaction = Effect.flatMap(Client, (client) => client.transaction(used))
      assert.strictEqual(yield* errorOf(on({}, inTransaction)), "UnsupportedError")
      yield* on({}, Hyper.dropDatabase(attached.database))
      assert.strictEqual(yield* errorOf(on({}, used)), "DatabaseError Missing")
    }))
})
