/** Conversations recorded with a real Hyper server, replayed by one end of an in-memory connection. */
import type { InMemory, TransportError } from "@hyperfect/transport"
import { Effect } from "effect"
import { readFileSync } from "node:fs"

export interface RecordedMessage {
  readonly from: "client" | "server"
  readonly bytes: Uint8Array
}

const folder = new URL("../../protocol/test/vectors/hyper/", import.meta.url)

export const read = (name: string): ReadonlyArray<RecordedMessage> => {
  const { messages } = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as {
    readonly messages: ReadonlyArray<{ readonly from: "client" | "server"; readonly hex: string }>
  }
  return messages.map(({ from, hex }) => ({ from, bytes: Uint8Array.from(Buffer.from(hex, "hex")) }))
}

/** Concatenates the bytes that one end sent. */
export const bytesFrom = (from: RecordedMessage["from"], messages: ReadonlyArray<RecordedMessage>): Uint8Array =>
  Uint8Array.from(Buffer.concat(messages.filter((message) => message.from === from).map(({ bytes }) => bytes)))

const sizeOf = (chunks: ReadonlyArray<Uint8Array>): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0)

/** Plays the server: sends its part as far as the client has sent its own, and records what the client sent. */
export const replayServer = (
  line: InMemory.InMemoryConnection,
  messages: ReadonlyArray<RecordedMessage>
): Effect.Effect<Uint8Array, TransportError.TransportError> =>
  Effect.gen(function*() {
    const sent: Array<Uint8Array> = []
    let wanted = 0
    for (const message of messages) {
      if (message.from === "server") yield* line.write(message.bytes)
      else {
        wanted += message.bytes.length
        while (sizeOf(sent) < wanted) sent.push(...yield* line.pull)
      }
    }
    yield* line.close
    return Uint8Array.from(Buffer.concat(sent))
  })
