/** The laws of transports over a `FaultTransport` whose faults change no byte. */
import { FaultTransport } from "@hyperfect/testing"
import { Endpoint, type Listener, type Transport } from "@hyperfect/transport"
import { Effect, Layer } from "effect"

export const listenOptions = {
  endpoint: Effect.succeed(Endpoint.tcp("127.0.0.1", 0)),
  maxWriteSize: 1_000_000,
  timeout: "3 minutes"
} as const

export const over = (
  below: Layer.Layer<Transport.Transport | Listener.Listener>,
  options: FaultTransport.Options
): Layer.Layer<Transport.Transport | Listener.Listener> => FaultTransport.layer(options).pipe(Layer.provideMerge(below))

export const harmless = {
  "no faults": {},
  "small pieces": { seed: 1, reading: { split: 4096 }, writing: { split: 4096 } },
  "late pieces": { seed: 2, reading: { delay: 0.1 }, writing: { split: 1_000_000, delay: 0.1 } }
} satisfies Record<string, FaultTransport.Options>
