/** A session with hyperd for as long as an entry lives. */
import { Client } from "@hyperfect/client/Client"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Exit, Scope } from "effect"
import { getAddress } from "./address.ts"

export interface OpenSession {
  readonly session: Session.Session
  readonly run: <A, E>(effect: Effect.Effect<A, E, Client>) => Promise<A>
  readonly close: () => Promise<void>
}

export const open = async (): Promise<OpenSession> => {
  const { host, port, user } = getAddress()
  const scope = Scope.makeUnsafe()
  const session = await Effect.runPromise(
    Session.make({ endpoint: Endpoint.tcp(host, port), user }).pipe(
      Scope.provide(scope),
      Effect.provide(NodePlatform.layer)
    )
  )
  return {
    session,
    run: (effect) => Effect.runPromise(Effect.provideService(effect, Client, session)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
