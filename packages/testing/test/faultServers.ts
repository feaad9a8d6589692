/** Both real servers, for sessions on bad lines. */
import type { ConnectionConfig } from "@hyperfect/client"
import { Session } from "@hyperfect/client"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { HyperdServer, PostgresServer } from "@hyperfect/testing"
import { Context, Effect, Layer } from "effect"

/** The server that sessions are opened on. */
export class Target extends Context.Service<Target, {
  readonly kind: "hyper" | "postgres"
  readonly config: ConnectionConfig.ConnectionConfig
}>()("test/Target") {}

export const postgres = Layer.effect(
  Target,
  Effect.map(PostgresServer.PostgresServer, ({ database, endpoint, password, user }) => ({
    kind: "postgres" as const,
    config: { endpoint, user, password, database }
  }))
).pipe(
  Layer.provide(PostgresServer.layer({ settings: { max_connections: 200 } })),
  Layer.provideMerge(NodePlatform.layer)
)

export const hyper = Layer.effect(
  Target,
  Effect.gen(function*() {
    const { endpoint, password, user } = yield* Hyperd.Hyperd
    const config: ConnectionConfig.ConnectionConfig = { endpoint, user, password, saslPrep: "mapping" }
    yield* Effect.scoped(Effect.flatMap(Session.make(config), (session) => session.simple("create database faults")))
    return { kind: "hyper" as const, config: { ...config, database: "faults" } }
  })
).pipe(
  Layer.provide(HyperdServer.layer()),
  Layer.provideMerge(NodePlatform.layer)
)
