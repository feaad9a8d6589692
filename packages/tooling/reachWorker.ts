// Runs the checks of `npm run reach` in a Worker of workerd: each request runs all of them.
import { Authenticate } from "@hyperfect/auth"
import { WorkersTransport } from "@hyperfect/workers"
import { ConfigProvider, Effect, Layer } from "effect"
// @ts-expect-error: a module of the platform
import { connect } from "cloudflare:sockets"
import { runChecks } from "./reachChecks.ts"

interface Environment extends Readonly<Record<string, unknown>> {
  readonly REACH: string
  readonly DISTRUSTING: { readonly connect: WorkersTransport.Connect }
}

const layer = (connect: WorkersTransport.Connect, env: Environment) =>
  Layer.mergeAll(
    WorkersTransport.layer(connect),
    Authenticate.layerCrypto,
    ConfigProvider.layer(ConfigProvider.fromUnknown(env))
  )

declare const WebAssembly: { compile(bytes: Uint8Array): Promise<unknown> }

/** Compiles an empty module. */
const compile = Effect.tryPromise(() => WebAssembly.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)))

export default {
  async fetch(_: Request, env: Environment): Promise<Response> {
    const lines: Array<string> = []
    await runChecks({
      servers: JSON.parse(env.REACH),
      layer: layer(connect, env),
      distrusting: layer((...args) => env.DISTRUSTING.connect(...args), env),
      impossible: {
        "verify-ca": {
          because: "a Worker cannot choose root certificates, and its platform always verifies names",
          error: "TlsFailed"
        },
        "channel binding": {
          because: "a Worker cannot see the server's certificate",
          error: "ChannelBindingUnavailable"
        },
        "direct TLS": {
          because: "a Worker cannot request a protocol (ALPN), which direct TLS requires",
          error: "TlsFailed"
        },
        "Unix socket": { because: "a Worker has no Unix sockets", error: "OpenFailed" },
        PGlite: { because: "PGlite compiles WebAssembly at run time, which a Worker may not", error: "UnknownError" }
      },
      more: { PGlite: compile },
      report: (line) => lines.push(line)
    })
    return new Response(lines.join("\n"))
  }
}
