import { assert, layer } from "@effect/vitest"
import { Client, Pool, Statement } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { addTenant, asTenant, createTables, orderPens } from "../tenants/orders.ts"

const server = Layer.provideMerge(PostgresServer.layer(), NodePlatform.layer)
const options = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(server, options)("the example of tenants", (it) => {
  it.effect("prints its report", () =>
    Effect.gen(function*() {
      const { database, endpoint, password, user } = yield* PostgresServer.PostgresServer
      const { status, stderr, stdout } = spawnSync(
        process.execPath,
        ["--conditions=@hyperfect/source", fileURLToPath(new URL("../tenants.ts", import.meta.url))],
        {
          encoding: "utf8",
          env: {
            ...process.env,
            DATABASE_URL: `postgresql://${user}:${
              Redacted.value(password)
            }@${endpoint.host}:${endpoint.port}/${database}`
          }
        }
      )
      assert.deepStrictEqual([status, stderr, stdout.trim().split("\n")], [0, "", [
        "ada: 3 pen for 6",
        "bob: 3 pen for 15",
        "ada orders for bob: InsufficientPrivilege",
        "ada changes orders of bob: 0",
        "orders without a tenant: 0",
        "afterwards: {\"isOwnRole\":true,\"tenant\":\"\"}"
      ]])
    }))
})

/** Makes a pool of two sessions of a user that may become a tenant, and has no rights on their tables itself. */
const openPool = Effect.gen(function*() {
  const { database, endpoint } = yield* PostgresServer.PostgresServer
  yield* (yield* Client.Client).simple("create role app login password 'app'; grant tenant to app with inherit false")
  return yield* Pool.make({ endpoint, database, user: "app", password: Redacted.make("app") }, { max: 2 })
})

/** The ends that a transaction of a tenant can have. */
const ends = ["committed", "failed", "refused by a policy", "interrupted"] as const

const tenants = [
  { tenant: "ada", other: "bob", prices: [["pen", 2]] },
  { tenant: "bob", other: "eve \"1\"", prices: [["pen", 5, 1]] },
  { tenant: "eve \"1\"", other: "ada", prices: [["pen", 7]] }
]

const admin = Layer.unwrap(Effect.map(PostgresServer.PostgresServer, (config) => Pool.layer(config)))

layer(Layer.provideMerge(admin, server), options)("tenants on a pool of two sessions", (it) => {
  it.effect("see their rows and tables only, and leave nothing to the next borrower", () =>
    Effect.gen(function*() {
      yield* createTables
      for (const { prices, tenant } of tenants) yield* addTenant(tenant, Number(prices[0]![1]))
      // The same text has other columns for this tenant.
      yield* (yield* Client.Client).execute("alter table tenant_bob.prices add column discount int default 1")
      const db = yield* openPool

      const identity = db.values(
        "select current_user::text, current_setting('app.tenant', true), current_setting('search_path')"
      )
      const checkNext = Effect.map(identity, ({ rows: [row = []] }) => {
        assert.strictEqual(row[0], "app")
        assert.oneOf(row[1], [null, ""])
        assert.strictEqual(row[2], "\"$user\", public")
      })
      const order = Effect.fnUntraced(
        function*({ other, prices, tenant }: typeof tenants[number], end: typeof ends[number], n: number) {
          const begun = yield* Deferred.make<void>()
          const work = Effect.gen(function*() {
            const { rows: [[user, current] = []] } = yield* identity
            assert.deepStrictEqual([user, current], ["tenant", tenant])
            yield* orderPens(n)
            const { rows: seen } = yield* db.values("select distinct tenant from orders")
            assert.deepStrictEqual(seen, [[tenant]])
            assert.deepStrictEqual((yield* db.values("select * from prices")).rows, prices)
            const changed = yield* db.execute(Statement.sql`update orders set quantity = 0 where tenant = ${other}`)
            assert.strictEqual(changed.rowCount, 0)
            yield* Deferred.succeed(begun, undefined)
            if (end === "failed") return yield* Effect.fail("failed" as const)
            if (end === "refused by a policy") yield* orderPens(n, other)
            if (end === "interrupted") return yield* Effect.never
            return "committed" as const
          })
          const fiber = yield* work.pipe(
            asTenant(tenant),
            Effect.provideService(Client.Client, db),
            Effect.forkChild
          )
          if (end === "interrupted") {
            yield* Effect.raceFirst(Deferred.await(begun), Fiber.join(fiber))
            yield* Fiber.interrupt(fiber)
          } else if (end === "committed") {
            assert.strictEqual(yield* Fiber.join(fiber), end)
          } else {
            const error = yield* Effect.flip(Fiber.join(fiber))
            const shown = error !== "failed" && error._tag === "ServerError" ? error.reason.sqlState : error
            assert.strictEqual(shown, end === "failed" ? end : "42501")
          }
          yield* checkNext
        }
      )
      const rounds = 30
      yield* Effect.forEach(
        Array.from({ length: rounds }, (_, n) => tenants.flatMap((of) => ends.map((end) => ({ of, end, n })))).flat(),
        ({ end, n, of }) => order(of, end, n),
        { concurrency: 8, discard: true }
      )
      const outside = yield* Effect.flip(db.values("select tenant from orders"))
      assert.strictEqual(outside._tag === "ServerError" ? outside.reason.sqlState : outside, "42501")
      const { rows } = yield* (yield* Client.Client).values(
        "select tenant, array_agg(quantity order by quantity) from orders group by tenant order by tenant"
      )
      const committed = Array.from({ length: rounds }, (_, n) => n)
      assert.deepStrictEqual(rows, tenants.map(({ tenant }) => [tenant, committed]))
    }))
})
