import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Effect, Layer, Redacted } from "effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { program } from "../sql/orders.ts"

const server = PostgresServer.layer({ databases: ["ours", "theirs"] }).pipe(Layer.provideMerge(NodePlatform.layer))

const report = [
  "migrations: products, orders",
  "names: ink, pen",
  "refused: ConstraintError",
  "ink: 1 sold for 7.50",
  "pen: 4 sold for 4.80"
]

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("the example of effect/sql", (it) => {
  it.effect("prints its report on this library", () =>
    Effect.gen(function*() {
      const { endpoint, password, user } = yield* PostgresServer.PostgresServer
      const { status, stderr, stdout } = spawnSync(
        process.execPath,
        ["--conditions=@hyperfect/source", fileURLToPath(new URL("../sql.ts", import.meta.url))],
        {
          encoding: "utf8",
          env: {
            ...process.env,
            DATABASE_URL: `postgresql://${user}:${Redacted.value(password)}@${endpoint.host}:${endpoint.port}/ours`
          }
        }
      )
      assert.deepStrictEqual([status, stderr, stdout.trim().split("\n")], [0, "", report])
    }))

  it.effect("returns the same report on Effect's own driver", () =>
    Effect.gen(function*() {
      const { endpoint, password, user } = yield* PostgresServer.PostgresServer
      const { host, port } = endpoint
      const theirs = PgClient.layer({ host, port, username: user, password, database: "theirs" })
      assert.deepStrictEqual(yield* Effect.provide(program, theirs), report)
    }))
})
