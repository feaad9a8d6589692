/** The server of a run. */
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Exit, Scope } from "effect"
import { setAddress } from "./address.ts"

/** Starts it, and tells where it is. Whoever is local is let in: a log-in is not what is measured. */
export const startServer = async (): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const { database, endpoint: { host, port }, user } = await Effect.runPromise(
    PostgresServer.make({ authentication: "trust", settings: { shared_buffers: "128MB" } }).pipe(
      Scope.provide(scope),
      Effect.provide(NodePlatform.layer)
    )
  )
  setAddress({ host, port, user, database })
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
