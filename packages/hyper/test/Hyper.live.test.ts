import { assert, describe, it, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import { list, sql } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { SaveError } from "@hyperfect/hyper/SaveError"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Transport } from "@hyperfect/transport/Transport"
import { Cause, Duration, Effect, Exit, FileSystem, Layer, Redacted, Schedule, Schema, Stream, Tracer } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { columns } from "./fixtures/everyType.ts"
import { fill, fullDisk } from "./fullDisk.ts"

const Answer = HyperTable.make("answers", { answer: Schema.Int })

const answers = Effect.gen(function*() {
  const client = yield* Client
  const { rows } = yield* client.query(sql`select answer from ${Answer} order by answer`)
  return rows.map(({ answer }) => answer)
})

/** Runs an effect with its own client. */
const withHyper = <A, E, R>(options: Hyper.Options, effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provide(Hyper.layer(options), { local: true }))

const createWith = (answer: number) => Effect.andThen(Answer.create, Answer.insert([{ answer }]))

const condition = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag: string } }
    return `${_tag} ${reason?._tag}`
  })

describe("Hyper", () => {
  layer(HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer)), { excludeTestServices: true })((it) => {
    it.effect("logs in with the server's user and password, without a database", () =>
      Effect.gen(function*() {
        const client = yield* Hyper.make()
        assert.strictEqual(client.server.kind, "hyper")
        assert.strictEqual(client.authentication, "scram-sha-256")
        const { rows } = yield* client.values("select current_database()")
        assert.deepStrictEqual(rows, [[null]])
      }))

    it.effect("pings: returns the time of a round trip, or the error", () =>
      Effect.gen(function*() {
        const elapsed = yield* withHyper({}, Hyper.ping)
        assert.isTrue(Duration.isGreaterThan(elapsed, Duration.zero))
        const client = yield* Effect.scoped(Hyper.make())
        const error = yield* Effect.flip(Effect.provideService(Hyper.ping, Client, client))
        assert.strictEqual(error._tag, "TransportError")
      }))

    it.effect("creates a database in each mode of create", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.Hyperd
        const database = "modes.hyper"
        const file = join(hyperd.workingDirectory, database)
        assert.strictEqual(yield* condition(withHyper({ database }, answers)), "DatabaseError Missing")
        assert.isFalse(existsSync(file))
        yield* withHyper({ database, create: "always" }, createWith(1))
        assert.isTrue(existsSync(file))
        assert.strictEqual(
          yield* condition(withHyper({ database, create: "always" }, answers)),
          "ServerError DuplicateDatabase"
        )
        assert.deepStrictEqual(yield* withHyper({ database, create: "if-not-exists" }, answers), [1])
        assert.deepStrictEqual(yield* withHyper({ database, create: "never" }, answers), [1])
        yield* withHyper({ database, create: "replace" }, createWith(2))
        assert.deepStrictEqual(yield* withHyper({ database }, answers), [2])
        yield* withHyper({ database: "another.hyper", create: "if-not-exists" }, createWith(3))
        assert.deepStrictEqual(yield* withHyper({ database: "another.hyper" }, answers), [3])
      }))

    it.effect("opens databases of every name that a file can have", () =>
      Effect.gen(function*() {
        const { user, workingDirectory } = yield* Hyperd.Hyperd
        const longest = "ü".repeat(127)
        for (
          const name of ["it's", "a\"b", "ü 日本 😀", " a ", "\\", "\n", "$single", "*", "postgres", user, longest]
        ) {
          const Named = HyperTable.make("answers", { answer: Schema.Int }, { database: name })
          for (const create of ["always", "atomic"] as const) {
            yield* withHyper({ database: name, create }, createWith(1))
            assert.isTrue(existsSync(join(workingDirectory, name)), `${create} ${name}`)
            yield* withHyper({ database: name }, Named.insert([{ answer: 2 }]))
            assert.deepStrictEqual(yield* withHyper({ database: name }, answers), [1, 2], `${create} ${name}`)
          }
        }
        const quoted = yield* Effect.flip(withHyper({ database: "no\"ne" }, answers))
        assert(quoted._tag === "DatabaseError")
        assert.strictEqual(quoted.reason.database, "no\"ne")
      }))

    it.effect("has a database by the name of the user or of postgres, or fails if it does not exist", () =>
      Effect.gen(function*() {
        const { user } = yield* Hyperd.Hyperd
        for (const database of ["postgres", user]) {
          yield* withHyper({}, Hyper.dropDatabase(database, { ifExists: true }))
          assert.strictEqual(yield* condition(withHyper({ database }, answers)), "DatabaseError Missing")
          const pool = Effect.asVoid(Hyper.makePool({ database }))
          assert.strictEqual(yield* condition(Effect.scoped(pool)), "DatabaseError Missing")
        }
      }))

    it.effect("replaces the file that a path with the server's own scheme means", () =>
      Effect.gen(function*() {
        const { workingDirectory } = yield* Hyperd.Hyperd
        const database = "hyper.file:scheme.hyper"
        yield* withHyper({ database, create: "always" }, createWith(1))
        yield* withHyper({ database, create: "atomic" }, createWith(2))
        assert.deepStrictEqual(yield* withHyper({ database: "scheme.hyper" }, answers), [2])
        assert.isFalse(existsSync(join(workingDirectory, database)))
      }))

    it.effect("refuses to attach another file under the name of the database", () =>
      Effect.gen(function*() {
        yield* withHyper({ database: "other.hyper", create: "always" }, createWith(1))
        for (const create of ["replace", "atomic"] as const) {
          const attach = { "same.hyper": "other.hyper" }
          const opened = withHyper({ database: "same.hyper", create, attach }, answers)
          assert.strictEqual(yield* condition(opened), "ServerError DuplicateObject")
        }
        assert.deepStrictEqual(yield* withHyper({ database: "other.hyper" }, answers), [1])
      }))

    it.effect("refuses an unknown mode of create", () =>
      Effect.gen(function*() {
        const unknown = { database: "modes.hyper", create: "sometimes" } as unknown as Hyper.Options
        const error = yield* Effect.flip(Hyper.make(unknown))
        assert(error._tag === "ConnectionConfigError")
        assert.strictEqual(error.setting, "create")
      }).pipe(Effect.scoped))

    it.effect("does not replace a database that is in use", () =>
      Effect.gen(function*() {
        const database = "used.hyper"
        yield* withHyper(
          { database, create: "replace" },
          Effect.gen(function*() {
            yield* createWith(1)
            const replaced = condition(withHyper({ database, create: "replace" }, answers))
            assert.strictEqual(yield* replaced, "DatabaseError InUse")
            assert.deepStrictEqual(yield* answers, [1])
          })
        )
      }))

    it.effect("creates files of the given version", () =>
      Effect.gen(function*() {
        const Measure = HyperTable.make("measures", { value: HyperTable.Real, total: HyperTable.Numeric(19, 2) })
        for (const version of [2, 3, 4, undefined] as const) {
          const database = `v${version}.hyper`
          const created = withHyper({ database, create: "always", version }, Measure.create)
          // Only version 4 can store 32-bit floating-point numbers; the default of this server is 3.
          if (version !== 4) {
            const error = yield* Effect.flip(created)
            assert(error._tag === "DatabaseVersionError")
            assert.strictEqual(error.requiredVersion, 4)
            assert.deepStrictEqual(error.columns, [
              { name: "value", type: "real", version: 4 },
              { name: "total", type: "numeric(19, 2)", version: 3 }
            ])
            assert.include(error.message, `"value" is real, which requires version 4`)
          } else yield* created
          const { rows } = yield* withHyper(
            { database },
            Effect.flatMap(Client, (client) => client.values("select database_version from pg_catalog.hyper_database"))
          )
          assert.deepStrictEqual(rows, [[String(version ?? 3)]])
        }
      }))

    it.effect("H8: creates tables in files of each version that stores their types, and says which do otherwise", () =>
      Effect.gen(function*() {
        const { real: _real, wide: _wide, ...everywhere } = columns
        for (const version of [2, 3, 4] as const) {
          yield* withHyper(
            { database: `types${version}.hyper`, create: "always", version },
            Effect.gen(function*() {
              yield* HyperTable.make("everywhere", everywhere).create
              for (
                const [name, type, required] of [["n", HyperTable.Numeric(19, 2), 3], [
                  "r",
                  HyperTable.Real,
                  4
                ]] as const
              ) {
                const { create } = HyperTable.make(name, { column: type })
                if (required <= version) yield* create
                else {
                  const error = yield* Effect.flip(create)
                  assert(error._tag === "DatabaseVersionError")
                  assert.strictEqual(error.requiredVersion, required)
                }
                yield* HyperTable.make(name, { column: type }, { temporary: true }).create
              }
            })
          )
        }
      }))

    it.effect("accepts paths that need quotes", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.Hyperd
        const database = "it's \"odd\" ü; --.hyper"
        yield* withHyper({ database, create: "replace" }, createWith(7))
        assert.isTrue(existsSync(join(hyperd.workingDirectory, database)))
        assert.deepStrictEqual(yield* withHyper({ database, create: "if-not-exists" }, answers), [7])
      }))

    it.effect("lets options override the server's user", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.Hyperd
        const config = Hyper.connectionConfig(hyperd, { database: "d.hyper", create: "replace", version: 3 })
        assert.deepStrictEqual(config, {
          endpoint: hyperd.endpoint,
          user: hyperd.user,
          password: hyperd.password,
          database: "d.hyper",
          sslMode: "disable",
          saslPrep: "mapping"
        })
        const wrong = Hyper.make({ password: Redacted.make("wrong") })
        assert.strictEqual(yield* condition(wrong), "AuthError Rejected")
        assert.strictEqual(yield* condition(Hyper.make({ user: "nobody" })), "AuthError Rejected")
      }))

    it.effect("H12: accepts durations in any form, and refuses other values", () =>
      Effect.gen(function*() {
        const slow = "select count(*) from generate_series(1, 100000000000) as g(n)"
        for (const queryTimeout of [50, "50 millis", Duration.millis(50), { milliseconds: 50 }] as const) {
          const client = yield* Hyper.make({ queryTimeout, connectTimeout: "10 seconds", silenceTimeout: "Infinity" })
          const error = yield* Effect.flip(client.query(slow))
          assert(error._tag === "QueryTimeout")
          assert.strictEqual(error.milliseconds, 50)
        }
        for (const setting of ["queryTimeout", "connectTimeout", "silenceTimeout", "typeCheckInterval"]) {
          const error = yield* Effect.flip(Hyper.make({ [setting]: "a moment" }))
          assert(error._tag === "ConnectionConfigError")
          assert.strictEqual(error.setting, setting)
          assert.include(error.message, "must be a duration")
        }
      }))

    it.effect("H11: refuses too many parameters before anything is sent, and deletes by keys in a temporary table", () =>
      Effect.gen(function*() {
        const Key = HyperTable.make("keys", { answer: Schema.Int }, { temporary: true })
        const numbers = Array.from({ length: 40_000 }, (_, answer) => ({ answer }))
        yield* withHyper(
          { database: "keys.hyper", create: "replace" },
          Effect.gen(function*() {
            const client = yield* Client
            yield* Answer.create
            yield* Answer.insert(numbers)
            const keys = list(numbers.slice(0, 32_768).map(({ answer }) => answer))
            const error = yield* Effect.flip(client.execute(sql`delete from ${Answer} where answer in (${keys})`))
            assert(error._tag === "ValueError")
            assert.strictEqual(error.sent, "nothing")
            yield* Key.create
            yield* Key.insert(numbers.slice(1))
            const { rowCount } = yield* client.execute(
              sql`delete from ${Answer} where answer in (select answer from ${Key})`
            )
            assert.strictEqual(rowCount, 39_999)
            assert.deepStrictEqual(yield* answers, [0])
          })
        )
      }))

    it.effect("creates, attaches, detaches and drops databases", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.Hyperd
        const client = yield* Hyper.make()
        yield* Effect.gen(function*() {
          const file = join(hyperd.workingDirectory, "a \"b\".hyper")
          yield* Hyper.createDatabase("a \"b\".hyper")
          assert.isTrue(existsSync(file))
          assert.strictEqual(
            yield* condition(Hyper.createDatabase("a \"b\".hyper")),
            "ServerError DuplicateDatabase"
          )
          yield* Hyper.createDatabase("a \"b\".hyper", { ifNotExists: true })
          yield* Hyper.createDatabase("c.hyper", { version: 3 })
          yield* Hyper.attach("a \"b\".hyper", "first \"one\"")
          yield* Hyper.attach("c.hyper", "second")
          for (const database of ["first \"one\"", "second"]) {
            const Placed = HyperTable.make("answers", { answer: Schema.Int }, { database })
            yield* Placed.create
            yield* Placed.insert([{ answer: database.length }])
            const { rows } = yield* client.query(sql`select answer from ${Placed}`)
            assert.deepStrictEqual(rows, [{ answer: database.length }])
          }
          assert.strictEqual(yield* condition(Hyper.dropDatabase("c.hyper")), "DatabaseError InUse")
          yield* Hyper.detach("second")
          yield* Hyper.detach("first \"one\"")
          yield* Hyper.dropDatabase("c.hyper")
          yield* Hyper.dropDatabase("a \"b\".hyper", { ifExists: true })
          assert.isFalse(existsSync(file))
          yield* Hyper.dropDatabase("a \"b\".hyper", { ifExists: true })
          assert.strictEqual(yield* condition(Hyper.dropDatabase("c.hyper")), "DatabaseError Missing")
          assert.strictEqual(yield* condition(Hyper.attach("c.hyper", "c")), "DatabaseError Missing")
          assert.match(yield* condition(Hyper.detach("c")), /^ServerError /)
        }).pipe(Effect.provideService(Client, client))
      }))

    it.effect("attaches the same databases to every session of a pool, and releases them with it", () =>
      Effect.gen(function*() {
        const client = yield* Hyper.make()
        const on = Effect.provideService(Client, client)
        yield* on(Hyper.createDatabase("shared.hyper"))
        const Placed = HyperTable.make("answers", { answer: Schema.Int }, { database: "by name" })
        yield* Effect.scoped(Effect.gen(function*() {
          const pool = yield* Hyper.makePool({
            database: "pooled.hyper",
            create: "replace",
            attach: { "by name": "shared.hyper" },
            pool: { max: 3, min: 3, warmUp: true }
          })
          const sessions = Effect.provideService(Client, pool)
          yield* sessions(Placed.create)
          yield* sessions(Placed.insert([{ answer: 42 }]))
          const answers = yield* Effect.all(
            Array.from({ length: 30 }, () => pool.query(sql`select answer from ${Placed}`)),
            { concurrency: "unbounded" }
          )
          for (const { rows } of answers) assert.deepStrictEqual(rows, [{ answer: 42 }])
        }))
        yield* on(Hyper.dropDatabase("shared.hyper"))
        yield* on(Hyper.dropDatabase("pooled.hyper"))
        assert.strictEqual(
          yield* condition(Hyper.makePool({ attach: { gone: "shared.hyper" } })),
          "DatabaseError Missing"
        )
      }))
  })

  it.live("H7: reports at once that the server of a pool has exited, and why; a dead session is not retryable", () =>
    Effect.gen(function*() {
      const server = yield* HyperdServer.make()
      const pool = yield* Effect.provideService(
        Hyper.makePool({ pool: { max: 2, acquireTimeout: "30 seconds" } }),
        Hyperd.Hyperd,
        server
      )
      const session = yield* Effect.provideService(Hyper.make(), Hyperd.Hyperd, server)
      process.kill(server.pid, "SIGKILL")
      yield* Effect.flip(server.exited)
      yield* Effect.ignore(session.query("select 1"))
      for (let i = 0; i < 3; i++) assert.isFalse((yield* Effect.flip(session.query("select 1"))).isRetryable)
      for (let i = 0; i < 3; i++) {
        const error = yield* Effect.flip(Effect.repeat(pool.query("select 1"), Schedule.spaced("1 milli"))).pipe(
          Effect.timeout("20 seconds")
        )
        if (i === 0) continue
        assert(error._tag === "PoolError" && error.reason._tag === "ConnectFailed")
        assert.isFalse(error.isRetryable)
        assert.include(error.message, "hyperd ended while running (SIGKILL)")
      }
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)))

  it.live("keeps inserted rows for the next server that opens the file", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const database = join(yield* fs.makeTempDirectoryScoped(), "kept.hyper")
      const on = (server: Hyperd.Hyperd["Service"]) => Effect.provideService(Hyperd.Hyperd, server)
      const second = yield* HyperdServer.make()
      yield* Effect.gen(function*() {
        const first = yield* HyperdServer.make()
        yield* on(first)(withHyper(
          { database, create: "always" },
          Effect.gen(function*() {
            yield* createWith(42)
            const refused = condition(on(second)(withHyper({ database }, answers)))
            assert.strictEqual(yield* refused, "DatabaseError Locked")
          })
        ))
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* on(second)(withHyper({ database }, answers)), [42])
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("releases a database at once, so that it can be dropped and created again repeatedly", () =>
    Effect.gen(function*() {
      const hyperd = yield* HyperdServer.make()
      yield* Effect.gen(function*() {
        for (let i = 0; i < 30; i++) yield* withHyper({ database: "again.hyper", create: "replace" }, createWith(i))
      }).pipe(Effect.raceFirst(hyperd.exited), Effect.provideService(Hyperd.Hyperd, hyperd))
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("closes although the session is busy with a stream that is not read", () =>
    Effect.gen(function*() {
      const hyperd = yield* HyperdServer.make()
      const closed = Effect.gen(function*() {
        const client = yield* Hyper.make({ database: "busy.hyper", create: "always" })
        const rows = yield* Stream.toPull(client.streamValues("select * from generate_series(1, 100000000)"))
        yield* rows
      }).pipe(Effect.scoped, Effect.provideService(Hyperd.Hyperd, hyperd))
      yield* Effect.timeout(closed, "30 seconds")
      const client = yield* Hyper.make({ database: "busy.hyper" }).pipe(Effect.provideService(Hyperd.Hyperd, hyperd))
      assert.strictEqual((yield* client.values("select 1")).rowCount, 1)
    }).pipe(Effect.provide(NodePlatform.layer)))
})

describe("Hyper > failure to save a database", () => {
  it.live.each(["a session", "a pool"] as const)(
    "ends %s with a SaveError defect",
    (kind) =>
      Effect.gen(function*() {
        const hyperd = Hyperd.layer(yield* fullDisk)
        const options = { database: "full.hyper", create: "replace" } as const
        const client = kind === "a pool" ? Hyper.layerPool(options) : Hyper.layer(options)
        const exit = yield* Effect.exit(Effect.provide(fill, Layer.provide(client, hyperd), { local: true }))
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.isTrue(defect instanceof SaveError)
        assert.include(defect, { outcome: "lost", isRetryable: false })
        assert.match(String(defect), /"full.hyper" could not be saved; .* is lost: .*unable to save database/)
      }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)),
    60_000
  )

  it.live("fails detachAll with an error that can be handled", () =>
    Effect.gen(function*() {
      const hyperd = Hyperd.layer(yield* fullDisk)
      const client = Layer.provide(Hyper.layer({ database: "full.hyper", create: "replace" }), hyperd)
      const error = yield* Effect.provide(Effect.andThen(fill, Effect.flip(Hyper.detachAll)), client, { local: true })
      assert.isTrue(error._tag === "ServerError" && !error.isRetryable)
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)), 60_000)

  it.live(
    "is a defect if the server is gone, or does not save in time",
    () =>
      Effect.gen(function*() {
        const died = yield* Effect.exit(Effect.provide(
          Effect.gen(function*() {
            const hyperd = yield* Hyperd.Hyperd
            const client = yield* Client
            yield* client.simple("create table t (a int)")
            process.kill(hyperd.pid, "SIGKILL")
          }),
          Hyper.layer({ database: "killed.hyper", create: "replace" }).pipe(Layer.provideMerge(HyperdServer.layer())),
          { local: true }
        ))
        const outcome = (exit: Exit.Exit<unknown, unknown>) =>
          Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof SaveError
            ? (Cause.squash(exit.cause) as SaveError).outcome
            : exit
        assert.strictEqual(outcome(died), "unknown")
        const late = yield* Effect.exit(Effect.provide(
          fill,
          Hyper.layer({ database: "late.hyper", create: "replace", saveTimeout: "1 millis" }).pipe(
            Layer.provide(HyperdServer.layer())
          ),
          { local: true }
        ))
        assert.strictEqual(outcome(late), "unknown")
      }).pipe(Effect.provide(NodePlatform.layer)),
    60_000
  )

  it.live.each(["a session", "a pool"] as const)(
    "is a SaveError of %s if a tracer breaks the release",
    (kind) =>
      Effect.gen(function*() {
        const broken = new Error("the tracer is broken")
        let isBroken = false
        const tracer = Tracer.make({
          span: (options) => {
            if (isBroken) throw broken
            return new Tracer.NativeSpan(options)
          }
        })
        const options = { database: "traced.hyper", create: "replace" } as const
        const client = (kind === "a pool" ? Hyper.layerPool(options) : Hyper.layer(options)).pipe(
          Layer.provide(HyperdServer.layer()),
          Layer.provide(Layer.succeed(Tracer.Tracer, tracer))
        )
        const program = Effect.gen(function*() {
          yield* (yield* Client).values("select 1")
          isBroken = true
        })
        const exit = yield* Effect.exit(Effect.provide(program, client, { local: true }))
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.isTrue(defect instanceof SaveError)
        assert.include(defect, { outcome: "unknown", cause: broken })
      }).pipe(Effect.provide(NodePlatform.layer))
  )

  it.live("is a SaveError of a pool if one session does not answer, although a later one has released", () =>
    Effect.gen(function*() {
      let isLost = false
      const losing = Layer.effect(
        Transport,
        Effect.map(Transport, (transport) =>
          Transport.of({
            ...transport,
            connect: (endpoint, options) =>
              Effect.map(transport.connect(endpoint, options), (connection) => ({
                ...connection,
                write: (bytes) => {
                  if (isLost || !Buffer.from(bytes).includes("DETACH")) return connection.write(bytes)
                  isLost = true
                  return Effect.void
                }
              }))
          }))
      )
      const client = Hyper.layerPool({
        database: "late.hyper",
        create: "replace",
        saveTimeout: "200 millis",
        pool: { min: 2, max: 2, warmUp: true }
      }).pipe(Layer.provide(HyperdServer.layer()), Layer.provide(losing))
      const program = Effect.gen(function*() {
        // A session that has changed is closed.
        yield* (yield* Client).execute("create table t (a int)")
        while (!isLost) yield* Effect.sleep("10 millis")
        yield* Effect.sleep("500 millis")
      })
      const exit = yield* Effect.exit(Effect.provide(program, client, { local: true }))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.isTrue(defect instanceof SaveError)
      assert.include(defect, { outcome: "unknown" })
    }).pipe(Effect.provide(NodePlatform.layer)))
})
