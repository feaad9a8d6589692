/** The servers of a run. */
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Exit, Redacted, Scope } from "effect"
import { setAddress } from "./address.ts"

const trusted = "trusted"

const other = {
  user: "größe 東京",
  password: "pässwörd 東京, and longer than the block of the hash that derives its keys"
}

const options: PostgresServer.Options = {
  hba: [`host all ${trusted} 127.0.0.1/32 trust`],
  setup: [
    `create role ${trusted} login superuser`,
    `create role "${other.user}" login superuser password '${other.password}'`
  ],
  settings: { shared_buffers: "128MB" }
}

const make = Effect.gen(function*() {
  const authority = yield* Certificates.makeAuthority({ name: "Root" })
  const certificate = yield* authority.issue({ name: "localhost", hosts: ["localhost", "127.0.0.1"] })
  const plain = yield* PostgresServer.make(options)
  const secured = yield* PostgresServer.make({ ...options, tls: certificate })
  const { database, endpoint: { host, port }, password, user } = plain
  setAddress({
    host,
    port,
    tlsPort: secured.endpoint.port,
    database,
    logins: { 0: { user, password: Redacted.value(password) }, 1: other },
    trusted,
    root: authority.certificate
  })
})

/** Starts the servers and passes on their addresses. */
export const startServer = async (): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  await Effect.runPromise(Effect.provide(Scope.provide(make, scope), NodePlatform.layer))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
