/**
 * Conversations recorded with real servers, as bytes. Files named `recorded.json` are written by
 * packages/tooling/record-goldens.ts.
 */
import { readdirSync, readFileSync } from "node:fs"

export interface RecordedMessage {
  readonly from: "client" | "server"
  readonly bytes: Uint8Array
  readonly note: string
}

export interface Transcript {
  readonly server: "hyper" | "postgres"
  readonly name: string
  readonly messages: ReadonlyArray<RecordedMessage>
}

interface Entry {
  readonly from: "client" | "server"
  readonly hex: string
  readonly note?: string
}

const toRecorded = (entry: Entry): RecordedMessage => ({
  from: entry.from,
  bytes: Uint8Array.from(Buffer.from(entry.hex, "hex")),
  note: entry.note ?? ""
})

/** Returns every transcript of a server. Files with several of them store them under `transcripts`. */
const transcriptsOf = (server: Transcript["server"]): ReadonlyArray<Transcript> => {
  const folder = new URL(`vectors/${server}/`, import.meta.url)
  return readdirSync(folder).sort().flatMap((file) => {
    const content = JSON.parse(readFileSync(new URL(file, folder), "utf8"))
    const transcripts: ReadonlyArray<{ readonly name: string; readonly messages: ReadonlyArray<Entry> }> =
      content.transcripts ?? [content]
    return transcripts.map((transcript) => ({
      server,
      name: `${file.replace(".json", "")}: ${transcript.name}`,
      messages: transcript.messages.map(toRecorded)
    }))
  })
}

export const allTranscripts: ReadonlyArray<Transcript> = [...transcriptsOf("hyper"), ...transcriptsOf("postgres")]
