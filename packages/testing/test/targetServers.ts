/** Both real servers, for sessions on faulty connections. */
import type { ConnectionConfig } from "@hyperfect/client"
import { Session } from "@hyperfect/client"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { Certificates, HyperdServer, PostgresServer } from "@hyperfect/testing"
import { Context, Effect, Layer, type Redacted } from "effect"

/** The server that sessions are opened on. */
export class Target extends Context.Service<Target, {
  readonly kind: "hyper" | "postgres"
  readonly config: ConnectionConfig.ConnectionConfig & { readonly password: Redacted.Redacted<string> }
  /** The root of the server's certificate. */
  readonly roots: string
}>()("test/Target") {}

const certificate = Effect.orDie(Certificates.selfSigned({ name: "localhost", hosts: ["localhost", "127.0.0.1"] }))

export const postgres = Layer.unwrap(Effect.map(certificate, (tls) =>
  Layer.effect(
    Target,
    Effect.map(PostgresServer.PostgresServer, ({ database, endpoint, password, user }) => ({
      kind: "postgres" as const,
      config: { endpoint, user, password: password!, database, sslMode: "disable" as const },
      roots: tls.certificate
    }))
  ).pipe(Layer.provide(PostgresServer.layer({ tls, settings: { max_connections: 200 } }))))).pipe(
    Layer.provideMerge(NodePlatform.layer)
  )

export const hyper = Layer.unwrap(Effect.map(certificate, (tls) =>
  Layer.effect(
    Target,
    Effect.gen(function*() {
      const { endpoint, password, user } = yield* Hyperd.Hyperd
      const config = { endpoint, user, password: password!, saslPrep: "mapping", sslMode: "disable" } as const
      yield* Effect.scoped(Effect.flatMap(Session.make(config), (session) => session.simple("create database faults")))
      return { kind: "hyper" as const, config: { ...config, database: "faults" }, roots: tls.certificate }
    })
  ).pipe(Layer.provide(HyperdServer.layer({ tls }))))).pipe(Layer.provideMerge(NodePlatform.layer))
