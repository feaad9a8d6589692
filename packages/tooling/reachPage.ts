// Runs the checks of `npm run reach` in a page of Chromium, which reaches the servers through a WebSocket proxy.
import { PGlite } from "@electric-sql/pglite"
import { PGliteWorker } from "@electric-sql/pglite/worker"
import { Authenticate } from "@hyperfect/auth"
import { Endpoint, SocketTransport } from "@hyperfect/transport"
import { Effect, Layer } from "effect"
import { Socket } from "effect/socket"
import type { Servers } from "./reach.ts"
import { type Impossible, runChecks } from "./reachChecks.ts"
import { pgliteCheck } from "./reachPglite.ts"

declare const Worker: new(
  address: string,
  options: { readonly type: "module" }
) => ConstructorParameters<typeof PGliteWorker>[0]

const plain: Impossible = {
  because: "a page cannot open a TLS connection, only a WebSocket that the browser encrypts (`wss:`)",
  error: "TlsFailed"
}

const run = (servers: Servers, proxy: string, report: (line: string) => Promise<void>): Promise<void> =>
  runChecks({
    servers,
    layer: SocketTransport.layer((endpoint) => Socket.makeWebSocket(`${proxy}/${Endpoint.format(endpoint)}`)).pipe(
      Layer.provide(Socket.layerWebSocketConstructorGlobal),
      Layer.merge(Authenticate.layerCrypto)
    ),
    impossible: {
      TCP: { because: "a page has no TCP sockets" },
      TLS: plain,
      "verify-ca": plain,
      "channel binding": plain,
      "direct TLS": plain,
      "Unix socket": { because: "a page has no Unix sockets" },
      "PG* variables": { because: "a page has no environment", error: "ConfigError" }
    },
    more: {
      PGlite: Effect.andThen(
        pgliteCheck(() => PGlite.create()),
        pgliteCheck(() => PGliteWorker.create(new Worker("/worker.js", { type: "module" })))
      )
    },
    report
  })

Object.assign(globalThis, { reach: run })
