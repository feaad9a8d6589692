/**
 * Runs the orders of `tenants/orders.ts`, with two tenants on a pool of two sessions, in an empty database of a server
 * that has no role `tenant`.
 *
 * Run: DATABASE_URL=postgresql://user:password@host:port/database node --conditions=@hyperfect/source packages/examples/tenants.ts
 */
import { NodeRuntime } from "@effect/platform-node"
import { Pool } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { Config, Console, Effect, Layer } from "effect"
import { program } from "./tenants/orders.ts"

program.pipe(
  Effect.flatMap(Effect.forEach((line) => Console.log(line))),
  Effect.provide(Layer.provide(Pool.layerConfig(Config.Redacted("DATABASE_URL"), { max: 2 }), NodePlatform.layer)),
  NodeRuntime.runMain
)
