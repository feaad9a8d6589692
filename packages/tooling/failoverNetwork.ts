/** A network with hosts whose connections pass a relay, which can refuse, hold or delay what passes. */
import * as FaultTransport from "@hyperfect/testing/FaultTransport"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { Context, Effect, Layer } from "effect"
import { connect, createServer, type Socket } from "node:net"

/**
 * The state of the way to a host. It is `"flapping"` if new connections have the faults of a `FaultTransport`, and
 * `"silent"` if they are opened, but no byte passes.
 */
export type Weather = "fair" | "refusing" | "silent" | "slow" | "flapping"

const loopback = "127.0.0.1"
/** Milliseconds that every piece takes to a slow host. */
const slowness = 40

/** A relay in front of a server. */
export class Host {
  /** The relay's port. */
  port = 0
  private readonly target: number
  private current: Weather = "fair"
  private readonly sockets = new Set<Socket>()
  private onChange: () => void = () => {}
  private changed = new Promise<void>((resolve) => (this.onChange = resolve))
  private readonly server = createServer((client) => {
    const server = connect(this.target, loopback)
    this.pass(client, server)
    this.pass(server, client)
  })

  /** `target` is the port of the server. */
  constructor(target: number) {
    this.target = target
  }

  get weather(): Weather {
    return this.current
  }

  /** Sets the weather. A host that begins to refuse also resets its connections. */
  set weather(weather: Weather) {
    this.current = weather
    if (weather === "refusing") this.reset()
    this.onChange()
    this.changed = new Promise((resolve) => (this.onChange = resolve))
  }

  /** Resets all connections. */
  reset(): void {
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  readonly open: Effect.Effect<this> = Effect.callback((resume) => {
    this.server.listen(0, loopback, () => {
      this.port = (this.server.address() as { readonly port: number }).port
      resume(Effect.succeed(this))
    })
  })

  close(): void {
    this.server.close()
    this.weather = "refusing"
  }

  /** Passes on what one socket receives, and its end, in order. */
  private pass(from: Socket, to: Socket): void {
    this.sockets.add(from)
    let passed = Promise.resolve()
    const then = (step: () => void): void => {
      passed = passed.then(() => this.passage()).then(step)
    }
    from.on("data", (bytes) => then(() => void (to.destroyed || to.write(bytes))))
    // The end follows.
    from.on("error", () => {})
    from.on("close", () => {
      this.sockets.delete(from)
      then(() => to.destroySoon())
    })
  }

  /** Waits for as long as the weather holds back what passes. */
  private async passage(): Promise<void> {
    while (this.current === "silent") await this.changed
    if (this.current === "slow") await new Promise((resolve) => setTimeout(resolve, slowness))
  }
}

/** Opens the way to a server for the scope. */
export const makeHost = (target: number) =>
  Effect.acquireRelease(Effect.suspend(() => new Host(target).open), (host) => Effect.sync(() => host.close()))

/** Makes a transport to the hosts. */
export const makeTransport = Effect.fnUntraced(function*(hosts: ReadonlyArray<Host>, seed: number) {
  const inner = yield* Transport
  const plan = FaultTransport.plan(seed, { connections: 400, bytes: 20_000, delay: 5 })
  const flapping = Context.get(yield* Layer.build(FaultTransport.layer(plan)), Transport)
  return Transport.of({
    ...inner,
    connect: (endpoint, options) =>
      Effect.suspend(() => {
        const host = hosts.find(({ port }) => endpoint._tag === "Tcp" && endpoint.port === port)
        if (host?.weather === "refusing") {
          return Effect.fail(TransportError.fromReason(
            new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ECONNREFUSED" })
          ))
        }
        return (host?.weather === "flapping" ? flapping : inner).connect(endpoint, options)
      })
  })
})
