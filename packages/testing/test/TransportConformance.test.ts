import { assert, describe, it } from "@effect/vitest"
import { TransportConformance } from "@hyperfect/testing"
import { type Connection, Endpoint, InMemory, Listener, Transport, TransportError } from "@hyperfect/transport"
import { Context, Effect, Layer } from "effect"

const options = { endpoint: Effect.succeed(Endpoint.tcp("server", 0)), maxWriteSize: 1_000_000 }
const laws = TransportConformance.laws({ ...options, timeout: "3 minutes" })
/** Some of the faulty connections hang until the end of the limit. */
const limited = TransportConformance.laws({ ...options, timeout: "10 seconds" })

type Change = (line: Connection.Connection) => Partial<Connection.Connection>

/** An in-memory network whose connections are faulty on both ends. */
const broken = (change: Change) =>
  Layer.effectContext(Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const listener = yield* Listener.Listener
    return Context.make(
      Transport.Transport,
      Transport.Transport.of({
        connect: (endpoint) => Effect.map(transport.connect(endpoint), (line) => ({ ...line, ...change(line) }))
      })
    ).pipe(Context.add(
      Listener.Listener,
      Listener.Listener.of({
        listen: (endpoint) =>
          Effect.map(listener.listen(endpoint), (listening) => ({
            ...listening,
            accept: Effect.map(listening.accept, (line) => ({ ...line, ...change(line) }))
          }))
      })
    ))
  })).pipe(Layer.provide(InMemory.layerNetwork({ capacity: 1000 })))

const closedByPeer = Effect.suspend(() =>
  Effect.fail(TransportError.fromReason(new TransportError.Closed({ by: "peer" })))
)

const mutants: Record<string, readonly [law: string, change: Change]> = {
  "drops a byte occasionally": ["bytes arrive whole and in order", (line) => {
    let count = 0
    return { write: (bytes) => line.write(++count % 100 === 0 ? bytes.subarray(1) : bytes) }
  }],
  "sends a byte twice": ["single-byte writes", (line) => {
    let count = 0
    return {
      write: (bytes) => (++count === 100 ? Effect.andThen(line.write(bytes), line.write(bytes)) : line.write(bytes))
    }
  }],
  "truncates large writes": [
    "a large write",
    (line) => ({ write: (bytes) => line.write(bytes.subarray(0, 500_000)) })
  ],
  "sends a byte for an empty write": [
    "an empty write",
    (line) => ({ write: (bytes) => line.write(bytes.length === 0 ? new Uint8Array(1) : bytes) })
  ],
  "fails on an empty write": [
    "an empty write",
    (line) => ({ write: (bytes) => (bytes.length === 0 ? closedByPeer : line.write(bytes)) })
  ],
  "interleaves writes": ["writes of several fibers", (line) => ({
    write: (bytes) =>
      Effect.andThen(line.write(bytes.subarray(0, bytes.length >> 1)), line.write(bytes.subarray(bytes.length >> 1)))
  })],
  "sends the later contents of the writer's array": ["an interrupted write is still sent", (line) => ({
    write: (bytes) => Effect.onInterrupt(line.write(bytes), () => Effect.sync(() => bytes.fill(0)))
  })],
  "aborts an interrupted write": ["an interrupted write is still sent", (line) => ({
    write: (bytes) =>
      Effect.forEach(
        Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, i) => bytes.subarray(i * 1000, (i + 1) * 1000)),
        line.write,
        { discard: true }
      )
  })],
  "accepts writes without limit": [
    "an interrupted write is still sent",
    (line) => ({ write: (bytes) => Effect.asVoid(Effect.forkDetach(line.write(bytes), { startImmediately: true })) })
  ],
  "returns an empty chunk": ["many small requests", (line) => {
    let count = 0
    return { pull: Effect.suspend(() => (++count === 3 ? Effect.succeed([new Uint8Array(0)] as const) : line.pull)) }
  }],
  "reuses the memory of its chunks": ["a pulled chunk", (line) => {
    const buffer = new Uint8Array(2000)
    return {
      pull: Effect.map(line.pull, ([chunk]) => {
        buffer.set(chunk)
        return [buffer.subarray(0, chunk.length)] as const
      })
    }
  }],
  "ends the stream early": ["data written before a close arrives", (line) => {
    let count = 0
    return { pull: Effect.suspend(() => (++count > 10 ? closedByPeer : line.pull)) }
  }],
  "reports a local close as one by the peer": ["closing fails a suspended pull", (line) => ({
    pull: Effect.catch(line.pull, () => closedByPeer)
  })],
  "never reports the end of the stream": ["the peer's close fails a suspended pull", (line) => ({
    pull: Effect.catch(line.pull, () => Effect.never)
  })],
  "has no name": ["both ends can name", () => ({ remote: "" })]
}

// Concurrent, because those that hang take all of the limit.
describe.concurrent("TransportConformance", () => {
  for (const [name, [prefix, change]] of Object.entries(mutants)) {
    it.live(`detects a connection that ${name}`, () =>
      Effect.gen(function*() {
        const isMeant = ({ name }: TransportConformance.Law) => name.startsWith(prefix)
        yield* Effect.provide(laws.find(isMeant)!.check, InMemory.layerNetwork({ capacity: 1000 }))
        const error = yield* Effect.flip(Effect.provide(limited.find(isMeant)!.check, broken(change)))
        assert.strictEqual(error._tag, "LawBroken")
      }))
  }
})
