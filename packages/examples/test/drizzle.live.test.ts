import { assert, layer } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Effect, Layer, Redacted } from "effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import pg from "pg"
import { report } from "../drizzle/shop.ts"

const server = PostgresServer.layer({ databases: ["ours", "theirs"] }).pipe(Layer.provideMerge(NodePlatform.layer))

const lines = [
  "inserted again: 0",
  "refused: 23503",
  "at: 2024-01-02T00:00:00.000Z",
  "ada@example.com (new, vip): ink 7.25"
]

const uriOf = (database: string) =>
  Effect.map(
    PostgresServer.PostgresServer,
    ({ endpoint, password, user }) =>
      `postgresql://${user}:${Redacted.value(password)}@${endpoint.host}:${endpoint.port}/${database}`
  )

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("the example of Drizzle", (it) => {
  it.effect("prints its report on this library", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = spawnSync(
        process.execPath,
        ["--conditions=@hyperfect/source", fileURLToPath(new URL("../drizzle.ts", import.meta.url))],
        { encoding: "utf8", env: { ...process.env, DATABASE_URL: yield* uriOf("ours") } }
      )
      assert.deepStrictEqual([status, stderr, stdout.trim().split("\n")], [0, "", lines])
    }))

  it.effect("returns the same report on pg", () =>
    Effect.gen(function*() {
      const pool = new pg.Pool({ connectionString: yield* uriOf("theirs") }).on("error", () => {
        // The server stops before the sessions have ended.
      })
      yield* Effect.addFinalizer(() => Effect.promise(() => pool.end()))
      assert.deepStrictEqual(yield* Effect.promise(() => report(pool)), lines)
    }))
})
