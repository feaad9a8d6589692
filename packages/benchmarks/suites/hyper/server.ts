/** The server of a run. */
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Effect, Exit, Scope } from "effect"
import { setAddress } from "./address.ts"

/** Starts the server and passes on its address. */
export const startServer = async (): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const { endpoint, user } = await Effect.runPromise(
    HyperdServer.make({ authentication: "trust" }).pipe(Scope.provide(scope), Effect.provide(NodePlatform.layer))
  )
  if (endpoint._tag !== "Tcp") throw new Error("hyperd does not listen on TCP")
  setAddress({ host: endpoint.host, port: endpoint.port, user })
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
