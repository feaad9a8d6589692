import { assert, describe, it } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import type { DatabaseError } from "@hyperfect/hyper/DatabaseError"
import * as Hyper from "@hyperfect/hyper/Hyper"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Deferred, Effect, Fiber, Schedule, type Scope } from "effect"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** CRC-32C without its usual complements, which ends each of the two headers of a file. */
const checksum = (bytes: Uint8Array): number => {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return crc >>> 0
}

const headerSize = 4096

/** A file of a later format version. */
const fromTheFuture = (file: Buffer): Buffer => {
  const bytes = Buffer.from(file)
  for (const at of [0, headerSize]) {
    bytes.writeUInt16LE(99, at + 10)
    bytes.writeUInt32LE(checksum(bytes.subarray(at, at + headerSize - 4)), at + headerSize - 4)
  }
  return bytes
}

/** A server, and a file of 50,000 rows that it has saved. */
const serverWithFile = Effect.gen(function*() {
  const hyperd = yield* HyperdServer.make()
  const database = join(hyperd.workingDirectory, "good.hyper")
  yield* Effect.flatMap(
    Client,
    (client) => client.simple("create table t as (select n, n || ' text' as s from generate_series(1, 50000) as g(n))")
  ).pipe(
    Hyper.withDatabase({ database, create: "replace" }),
    Effect.provideService(Hyperd, hyperd)
  )
  const file = (name: string, bytes: Uint8Array | string = "") => {
    const path = join(hyperd.workingDirectory, name)
    writeFileSync(path, bytes)
    return path
  }
  return { hyperd, database, good: readFileSync(database), file }
})

const databaseError = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<DatabaseError, A, R> =>
  Effect.map(Effect.flip(effect), (error) => {
    const { _tag } = error as { readonly _tag: string }
    assert.strictEqual(_tag, "DatabaseError", String(error))
    return error as unknown as DatabaseError
  })

describe("H6: a file that cannot be opened is a DatabaseError with the reason", () => {
  const scoped = <A, E>(
    effect: Effect.Effect<A, E, NodePlatform.NodePlatform | Scope.Scope>
  ) => effect.pipe(Effect.scoped, Effect.provide(NodePlatform.layer))

  it.live("missing, empty, of another kind, truncated, damaged, or of a later version", () =>
    scoped(Effect.gen(function*() {
      const { file, good, hyperd } = yield* serverWithFile
      const damaged = Buffer.from(good).fill(0x41, 2 * headerSize, 3 * headerSize)
      const flipped = Buffer.from(good)
      for (const at of [0, headerSize]) flipped.writeUInt16LE(9, at + 10)
      mkdirSync(join(hyperd.workingDirectory, "folder.hyper"))
      const cases: ReadonlyArray<readonly [path: string, reason: string, sqlState: string]> = [
        [join(hyperd.workingDirectory, "missing.hyper"), "Missing", "58S01"],
        [join(hyperd.workingDirectory, "none", "missing.hyper"), "Missing", "58S01"],
        [join(hyperd.workingDirectory, "folder.hyper"), "Missing", "58S01"],
        [file("empty.hyper"), "Corrupt", "42809"],
        [file("text.hyper", "no database ".repeat(1000)), "Corrupt", "42809"],
        [file("truncated.hyper", good.subarray(0, good.length / 2)), "Corrupt", "XX001"],
        [file("header.hyper", flipped), "Corrupt", "XX001"],
        [file("damaged.hyper", damaged), "Corrupt", "XXS01"],
        [file("later.hyper", fromTheFuture(good)), "VersionUnsupported", ""]
      ]
      for (const [database, reason, sqlState] of cases) {
        const opened: ReadonlyArray<Hyper.PoolOptions> = [{ database }, { attach: { other: database } }]
        for (const options of opened) {
          for (const open of [Hyper.make(options), Hyper.makePool(options)]) {
            const opened = Effect.asVoid<unknown, Hyper.OpenError, Hyper.Services | Scope.Scope>(open)
            const error = yield* databaseError(opened.pipe(Effect.scoped, Effect.provideService(Hyperd, hyperd)))
            assert.strictEqual(error.reason._tag, reason, `${database}: ${error.message}`)
            assert.strictEqual(error.reason.database, database)
            assert.include(error.message, JSON.stringify(database))
            if (sqlState !== "") assert.strictEqual(error.reason.sqlState, sqlState)
            assert.isFalse(error.isRetryable)
          }
        }
      }
    })))

  it.live("in each mode of create", () =>
    scoped(Effect.gen(function*() {
      const { file, good, hyperd } = yield* serverWithFile
      const database = file("truncated.hyper", good.subarray(0, good.length / 2))
      for (const create of ["if-not-exists", "replace"] as const) {
        const opened = Hyper.make({ database, create }).pipe(Effect.scoped, Effect.provideService(Hyperd, hyperd))
        assert.strictEqual((yield* databaseError(opened)).reason._tag, "Corrupt")
      }
      assert.strictEqual(readFileSync(database).length, Math.floor(good.length / 2))
    })))

  it.live("locked by another server, which is retryable", () =>
    scoped(Effect.gen(function*() {
      const { database, hyperd } = yield* serverWithFile
      const other = yield* HyperdServer.make()
      const [held, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const holder = yield* Hyper.make({ database }).pipe(
        Effect.andThen(Deferred.succeed(held, undefined)),
        Effect.andThen(Deferred.await(release)),
        Effect.scoped,
        Effect.provideService(Hyperd, hyperd),
        Effect.forkChild
      )
      yield* Deferred.await(held)
      const opened = (options: Hyper.Options) =>
        Hyper.make(options).pipe(Effect.scoped, Effect.provideService(Hyperd, other))
      const attempts: ReadonlyArray<Hyper.Options> = [
        { database },
        { attach: { other: database } },
        { database, create: "if-not-exists" },
        { database, create: "replace" }
      ]
      for (const options of attempts) {
        const error = yield* databaseError(opened(options))
        assert.strictEqual(error.reason._tag, "Locked")
        assert.isTrue(error.isRetryable)
      }
      const retried = Effect.retry(Effect.tapError(opened({ database }), () => Deferred.succeed(release, undefined)), {
        while: (error) => error.isRetryable,
        schedule: Schedule.spaced("50 millis")
      })
      yield* Effect.timeout(retried, "20 seconds")
      yield* Fiber.join(holder)
    })))

  it.live("in use by another session of the server, when it is to be replaced", () =>
    scoped(Effect.gen(function*() {
      const { database, hyperd } = yield* serverWithFile
      const on = Effect.provideService(Hyperd, hyperd)
      const copy = `${database}.copy.hyper`
      copyFileSync(database, copy)
      yield* on(Hyper.make({ database: copy }))
      const error = yield* databaseError(on(Hyper.make({ database: copy, create: "replace" })))
      assert.strictEqual(error.reason._tag, "InUse")
      assert.isTrue(error.isRetryable)
    })))

  it.live("created by another user", () =>
    scoped(Effect.gen(function*() {
      const mine = yield* HyperdServer.make({ user: "me" })
      const theirs = yield* HyperdServer.make()
      const database = join(mine.workingDirectory, "mine.hyper")
      yield* Hyper.withDatabase(Effect.void, { database, create: "always" }).pipe(Effect.provideService(Hyperd, mine))
      const attempts: ReadonlyArray<Hyper.Options> = [
        { database },
        { attach: { mine: database } },
        { database, create: "if-not-exists" },
        { database, create: "atomic" }
      ]
      for (const options of attempts) {
        const error = yield* databaseError(
          Hyper.withDatabase(Effect.void, options).pipe(Effect.provideService(Hyperd, theirs))
        )
        assert.strictEqual(error.reason._tag, "Inaccessible", error.message)
        assert.include(error.message, "was created by another user")
      }
      yield* Hyper.withDatabase(Effect.void, { database }).pipe(Effect.provideService(Hyperd, mine))
    })))

  it.live("at a path that the server cannot reach, in each mode of create", () =>
    scoped(Effect.gen(function*() {
      const hyperd = yield* HyperdServer.make()
      const at = (...names: ReadonlyArray<string>) => join(hyperd.workingDirectory, ...names)
      symlinkSync("loop.hyper", at("loop.hyper"))
      symlinkSync("nothing.hyper", at("dangling.hyper"))
      mkdirSync(at("folder.hyper"))
      const cases: ReadonlyArray<readonly [path: string, opened: string, created: string, message: RegExp]> = [
        ["/sys/no.hyper", "Missing", "Inaccessible", /rights/],
        ["/proc/no.hyper", "Missing", "Inaccessible", /rights/],
        [at("x".repeat(256)), "Inaccessible", "Inaccessible", /path/],
        [at("loop.hyper"), "Inaccessible", "Missing", /leads to no file/],
        [at("dangling.hyper"), "Missing", "Missing", /leads to no file/],
        [at("folder.hyper"), "Missing", "Missing", /is not a file/],
        [at("none", "a.hyper"), "Missing", "Missing", /the directory of/]
      ]
      for (const [database, opened, created, message] of cases) {
        for (const create of ["never", "always", "if-not-exists", "replace", "atomic"] as const) {
          const error = yield* databaseError(
            Hyper.withDatabase(Effect.void, { database, create }).pipe(Effect.provideService(Hyperd, hyperd))
          )
          assert.strictEqual(error.reason._tag, create === "never" ? opened : created, `${create} ${error.message}`)
          assert.strictEqual(error.reason.database, database)
          if (create !== "never") assert.match(error.message, message)
        }
      }
      assert.sameMembers(readdirSync(hyperd.workingDirectory).filter((name) => name.endsWith(".tmp")), [])
      assert.isTrue(existsSync(at("folder.hyper")))
      // The server lives on.
      yield* Hyper.withDatabase(Effect.void, { database: at("a.hyper"), create: "always" }).pipe(
        Effect.provideService(Hyperd, hyperd)
      )
    })))
})
