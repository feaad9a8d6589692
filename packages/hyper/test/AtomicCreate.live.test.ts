import { assert, describe, it, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import { sql } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { SaveError } from "@hyperfect/hyper/SaveError"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import {
  Cause,
  Deferred,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Layer,
  ManagedRuntime,
  Path,
  PlatformError,
  Schema,
  type Scope
} from "effect"
import { fill, fullDisk } from "./fullDisk.ts"

const Answer = HyperTable.make("answers", { answer: Schema.Int })

const answers = Effect.flatMap(
  Client,
  (client) =>
    Effect.map(
      client.query(sql`select answer from ${Answer} order by answer`),
      ({ rows }) => rows.map(({ answer }) => answer)
    )
)

const write = (answer: number) => Effect.andThen(Answer.create, Answer.insert([{ answer }]))

type Run = <A, E>(
  options: Hyper.PoolOptions,
  effect: Effect.Effect<A, E, Client | Hyper.Services | Scope.Scope>
) => Effect.Effect<A, E | Hyper.OpenError | SaveError, Hyper.Services | Scope.Scope>

/** The ways to use a database for a scope. */
const ways: { readonly [Name in "make" | "makePool" | "layer" | "layerPool" | "withDatabase"]: Run } = {
  make: (options, effect) =>
    Effect.scoped(Effect.flatMap(Hyper.make(options), (client) => Effect.provideService(effect, Client, client))),
  makePool: (options, effect) =>
    Effect.scoped(Effect.flatMap(
      Hyper.makePool({ ...options, pool: { max: 3, min: 2, warmUp: true } }),
      (client) => Effect.provideService(effect, Client, client)
    )),
  layer: (options, effect) => Effect.provide(effect, Hyper.layer(options), { local: true }),
  layerPool: (options, effect) => Effect.provide(effect, Hyper.layerPool(options), { local: true }),
  withDatabase: (options, effect) => Hyper.withDatabase(effect, options)
}

/** A folder of its own with a database whose answer is 1. */
const folder = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-atomic-" })
  const database = `${directory}/extract.hyper`
  yield* ways.withDatabase({ database, create: "always" }, write(1))
  return {
    database,
    directory,
    files: Effect.map(fs.readDirectory(directory), (names) => names.toSorted()),
    read: ways.withDatabase({ database }, answers),
    refresh: { database, create: "atomic" } as const
  }
})

const saveErrorOf = (exit: Exit.Exit<unknown, unknown>): SaveError => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  assert(error instanceof SaveError, String(exit))
  return error
}

const reasonOf = (error: unknown) => {
  const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag: string } }
  return `${_tag} ${reason?._tag}`
}

layer(HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer)), { excludeTestServices: true })(
  "create atomic",
  (it) => {
    for (const [name, run] of Object.entries(ways)) {
      it.effect(`${name} replaces the database at the end of a successful scope`, () =>
        Effect.gen(function*() {
          const { database, directory, files, read, refresh } = yield* folder
          yield* run(
            refresh,
            Effect.gen(function*() {
              yield* write(2)
              assert.deepStrictEqual(yield* answers, [2])
              assert.deepStrictEqual(yield* read, [1])
              assert.lengthOf(yield* files, 2)
            })
          )
          assert.deepStrictEqual(yield* files, ["extract.hyper"])
          assert.deepStrictEqual(yield* read, [2])
          yield* run({ ...refresh, database: `${directory}/new.hyper` }, write(3))
          assert.deepStrictEqual(yield* files, ["extract.hyper", "new.hyper"])
          assert.deepStrictEqual(yield* ways.withDatabase({ database: `${directory}/new.hyper` }, answers), [3])
          assert.include(database, directory)
        }))

      it.effect(`${name} leaves the database and no other file if the scope fails, dies or is interrupted`, () =>
        Effect.gen(function*() {
          const { files, read, refresh } = yield* folder
          const failed = yield* Effect.exit(run(refresh, Effect.andThen(write(2), Effect.fail("no more"))))
          assert.deepStrictEqual(failed, Exit.fail("no more"))
          const died = yield* Effect.exit(run(refresh, Effect.andThen(write(2), Effect.die("a bug"))))
          assert.deepStrictEqual(died, Exit.die("a bug"))
          const written = yield* Deferred.make<void>()
          const running = yield* Effect.forkChild(
            run(refresh, Effect.andThen(write(2), Effect.andThen(Deferred.succeed(written, undefined), Effect.never)))
          )
          yield* Deferred.await(written)
          yield* Fiber.interrupt(running)
          for (const delay of [0, 1, 3, 10, 30, 100]) {
            yield* Effect.timeoutOption(run(refresh, Effect.andThen(write(2), Effect.never)), delay)
            assert.deepStrictEqual(yield* files, ["extract.hyper"])
          }
          assert.deepStrictEqual(yield* read, [1])
        }))
    }

    it.effect("a layer leaves the database if another layer that needs it fails", () =>
      Effect.gen(function*() {
        const { files, read, refresh } = yield* folder
        const failing = Layer.effectDiscard(Effect.andThen(write(2), Effect.fail("no more")))
        const exit = yield* Effect.exit(
          Effect.provide(Effect.void, Layer.provide(failing, Hyper.layer(refresh)), { local: true })
        )
        assert.deepStrictEqual(exit, Exit.fail("no more"))
        assert.deepStrictEqual([yield* read, yield* files], [[1], ["extract.hyper"]])
      }))

    it.effect("the disposal of a ManagedRuntime is a success, whatever its programs did", () =>
      Effect.gen(function*() {
        const { read, refresh } = yield* folder
        const services = yield* Effect.context<Hyper.Services>()
        const runtime = ManagedRuntime.make(Layer.provide(Hyper.layer(refresh), Layer.succeedContext(services)))
        const exit = yield* Effect.promise(() => runtime.runPromiseExit(Effect.andThen(write(2), Effect.fail("late"))))
        assert.deepStrictEqual(exit, Exit.fail("late"))
        yield* runtime.disposeEffect
        assert.deepStrictEqual(yield* read, [2])
      }))

    it.effect("its tables have the name of the database, beside others that are attached", () =>
      Effect.gen(function*() {
        const { database, directory, read, refresh } = yield* folder
        const other = `${directory}/other.hyper`
        yield* ways.withDatabase({ database: other, create: "always" }, write(5))
        const Placed = HyperTable.make("answers", { answer: Schema.Int }, { database })
        yield* ways.withDatabase(
          { ...refresh, attach: { other } },
          Effect.gen(function*() {
            yield* Placed.create
            yield* Placed.insert([{ answer: 7 }])
            yield* (yield* Client).query(sql`insert into ${Placed} (select * from "other"."public"."answers")`)
          })
        )
        assert.deepStrictEqual(yield* read, [5, 7])
      }))

    it.effect("Hyper.save before the end saves the temporary file only", () =>
      Effect.gen(function*() {
        const { files, read, refresh } = yield* folder
        const saved = Effect.andThen(write(2), Hyper.save())
        for (const run of [ways.withDatabase, ways.layerPool]) {
          const failed = yield* Effect.exit(run(refresh, Effect.andThen(saved, Effect.fail("no more"))))
          assert.deepStrictEqual(failed, Exit.fail("no more"))
          assert.deepStrictEqual([yield* read, yield* files], [[1], ["extract.hyper"]])
        }
        yield* ways.withDatabase(refresh, Effect.andThen(saved, Answer.insert([{ answer: 3 }])))
        assert.deepStrictEqual([yield* read, yield* files], [[2, 3], ["extract.hyper"]])
      }))

    it.effect("a relative path, the mode of the file and a symbolic link stay what they are", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const { database, directory, files, read, refresh } = yield* folder
        const mode = () => Effect.map(fs.stat(database), ({ mode }) => mode & 0o777)
        yield* fs.chmod(database, 0o640)
        const link = `${directory}/link.hyper`
        yield* fs.symlink(database, link)
        const { workingDirectory } = yield* Hyperd.Hyperd
        yield* ways.withDatabase({ ...refresh, database: path.relative(workingDirectory, link) }, write(2))
        assert.deepStrictEqual(yield* read, [2])
        assert.strictEqual(yield* fs.readLink(link), database)
        assert.strictEqual(yield* mode(), 0o640)
        assert.deepStrictEqual(yield* files, ["extract.hyper", "link.hyper"])
      }))

    it.effect("a file that is no database is replaced", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { database, files, read, refresh } = yield* folder
        for (const content of ["", "no database"]) {
          yield* fs.writeFileString(database, content)
          yield* ways.withDatabase(refresh, write(2))
          assert.deepStrictEqual([yield* read, yield* files], [[2], ["extract.hyper"]])
        }
      }))

    it.effect("a database that is in use is refused at the beginning and at the end", () =>
      Effect.gen(function*() {
        const { database, files, read, refresh } = yield* folder
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Hyper.make({ database })
          const error = yield* Effect.flip(ways.withDatabase(refresh, write(2)))
          assert.strictEqual(reasonOf(error), "DatabaseError InUse")
        }))
        yield* Effect.scoped(Effect.gen(function*() {
          const exit = yield* Effect.exit(
            ways.withDatabase(refresh, Effect.andThen(write(2), Effect.asVoid(Hyper.make({ database }))))
          )
          const { cause, databases, outcome } = saveErrorOf(exit)
          assert.deepStrictEqual([databases, outcome, reasonOf(cause)], [[database], "lost", "DatabaseError InUse"])
        }))
        assert.deepStrictEqual([yield* read, yield* files], [[1], ["extract.hyper"]])
      }))

    it.effect("a database that another process has open is refused", () =>
      Effect.gen(function*() {
        const { database, files, read, refresh } = yield* folder
        const other = yield* HyperdServer.make()
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Effect.provideService(Hyper.make({ database }), Hyperd.Hyperd, other)
          const error = yield* Effect.flip(ways.withDatabase(refresh, write(2)))
          assert.strictEqual(reasonOf(error), "DatabaseError Locked")
        }))
        assert.deepStrictEqual([yield* read, yield* files], [[1], ["extract.hyper"]])
      }))

    it.effect("a folder that is missing, or a folder in place of the file, is an error", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { directory, files, refresh } = yield* folder
        const missing = yield* Effect.flip(
          ways.withDatabase({ ...refresh, database: `${directory}/none/extract.hyper` }, write(2))
        )
        assert.strictEqual(reasonOf(missing), "DatabaseError Missing")
        yield* fs.makeDirectory(`${directory}/folder.hyper`)
        const exit = yield* Effect.exit(
          ways.withDatabase({ ...refresh, database: `${directory}/folder.hyper` }, write(2))
        )
        assert.isTrue(Exit.isFailure(exit) && !Cause.hasDies(exit.cause))
        assert.deepStrictEqual(yield* files, ["extract.hyper", "folder.hyper"])
      }))

    const ioError = PlatformError.systemError({ _tag: "Unknown", module: "FileSystem", method: "sync" })

    it.effect("an error of the file system is a SaveError that tells whether the database is replaced", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { directory, files, read, refresh } = yield* folder
        const failSync = (fails: (name: string) => boolean): FileSystem.FileSystem => ({
          ...fs,
          open: (name, options) =>
            Effect.map(fs.open(name, options), (file) =>
              new Proxy(file, {
                get: (target, key) => key === "sync" && fails(name) ? Effect.fail(ioError) : Reflect.get(target, key)
              }))
        })
        const broken: ReadonlyArray<readonly [FileSystem.FileSystem, outcome: SaveError["outcome"], answer: number]> = [
          [{ ...fs, rename: () => Effect.fail(ioError) }, "lost", 1],
          [{ ...fs, chmod: () => Effect.fail(ioError) }, "lost", 1],
          [failSync((name) => name.endsWith(".tmp")), "lost", 1],
          [failSync((name) => name === directory), "unknown", 2]
        ]
        for (const [service, outcome, answer] of broken) {
          const exit = yield* Effect.exit(
            Effect.provideService(ways.withDatabase(refresh, write(2)), FileSystem.FileSystem, service)
          )
          const error = saveErrorOf(exit)
          assert.deepStrictEqual([error.outcome, (error.cause as Error).message], [outcome, ioError.message])
          assert.deepStrictEqual([yield* read, yield* files], [[answer], ["extract.hyper"]])
          const died = yield* Effect.exit(
            Effect.provideService(ways.layer(refresh, write(2)), FileSystem.FileSystem, service)
          )
          assert.strictEqual(saveErrorOf(died).outcome, outcome)
        }
      }))
  }
)

describe("create atomic on a server that fails", () => {
  it.live("leaves the database if the server is killed", () =>
    Effect.gen(function*() {
      const { files, read, refresh } = yield* Effect.provide(folder, HyperdServer.layer(), { local: true })
      for (const when of ["while it loads", "at the end"] as const) {
        yield* Effect.gen(function*() {
          const server = yield* HyperdServer.make()
          const kill = Effect.sync(() => process.kill(server.pid, "SIGKILL"))
          const load = Effect.gen(function*() {
            yield* write(2)
            yield* kill
            if (when === "while it loads") yield* Answer.insert([{ answer: 3 }])
          })
          const exit = yield* Effect.exit(
            Effect.provideService(ways.withDatabase(refresh, load), Hyperd.Hyperd, server)
          )
          assert.isTrue(Exit.isFailure(exit))
          if (when === "at the end") assert.strictEqual(saveErrorOf(exit).outcome, "lost")
        }).pipe(Effect.scoped)
        assert.deepStrictEqual(yield* files, ["extract.hyper"])
      }
      assert.deepStrictEqual(yield* Effect.provide(read, HyperdServer.layer(), { local: true }), [1])
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)), 60_000)

  it.live("leaves the database if the disk is full", () =>
    Effect.gen(function*() {
      const { files, read, refresh } = yield* Effect.provide(folder, HyperdServer.layer(), { local: true })
      const exit = yield* Effect.exit(
        Effect.provide(ways.withDatabase(refresh, fill), Hyperd.layer(yield* fullDisk), { local: true })
      )
      assert.strictEqual(saveErrorOf(exit).outcome, "lost")
      assert.deepStrictEqual(yield* files, ["extract.hyper"])
      assert.deepStrictEqual(yield* Effect.provide(read, HyperdServer.layer(), { local: true }), [1])
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)), 60_000)
})
