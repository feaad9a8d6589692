/**
 * Runs the application of `sql/orders.ts`, written for `effect/sql`, on this library. Switching from Effect's own driver
 * is the one line of the layer.
 *
 * Run: DATABASE_URL=postgresql://user:password@host:port/database node --conditions=@hyperfect/source packages/examples/sql.ts
 */
import { NodeRuntime } from "@effect/platform-node"
import { NodePlatform } from "@hyperfect/node"
import { HyperSql } from "@hyperfect/sql"
import { Config, Console, Effect, Layer } from "effect"
import { program } from "./sql/orders.ts"

// Before: const Database = PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })
const Database = HyperSql.layerConfig(Config.Redacted("DATABASE_URL"))

program.pipe(
  Effect.flatMap(Effect.forEach((line) => Console.log(line))),
  Effect.provide(Layer.provide(Database, NodePlatform.layer)),
  NodeRuntime.runMain
)
