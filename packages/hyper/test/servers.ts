/** A client for each kind of server, in its own database. */
import * as Client from "@hyperfect/client/Client"
import * as Hyper from "@hyperfect/hyper/Hyper"
import type * as HyperdModule from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Layer } from "effect"

export type Kind = "hyper" | "postgres"

export const kinds: ReadonlyArray<Kind> = ["hyper", "postgres"]

const hyper = Hyper.layer({ database: "test.hyper", create: "always", version: 4 }).pipe(
  Layer.provideMerge(HyperdServer.layer())
)

const postgres = Layer.unwrap(Effect.map(PostgresServer.PostgresServer, Client.layer)).pipe(
  Layer.provideMerge(PostgresServer.layer())
)

export const servers: {
  readonly hyper: Layer.Layer<Client.Client | HyperdModule.Hyperd | NodePlatform.NodePlatform, unknown>
  readonly postgres: Layer.Layer<Client.Client | PostgresServer.PostgresServer | NodePlatform.NodePlatform, unknown>
} = {
  hyper: hyper.pipe(Layer.provideMerge(NodePlatform.layer)),
  postgres: postgres.pipe(Layer.provideMerge(NodePlatform.layer))
}
