/** The conversations that were recorded with a real Hyper server, as bytes. */
import { readdirSync, readFileSync } from "node:fs"

export interface Recorded {
  readonly from: "client" | "server"
  readonly bytes: Uint8Array
  readonly note: string
}

export interface Transcript {
  readonly name: string
  readonly messages: ReadonlyArray<Recorded>
}

interface Entry {
  readonly from: "client" | "server"
  readonly hex: string
  readonly note?: string
}

const folder = new URL("vectors/hyper/", import.meta.url)

const toRecorded = (entry: Entry): Recorded => ({
  from: entry.from,
  bytes: Uint8Array.from(Buffer.from(entry.hex, "hex")),
  note: entry.note ?? ""
})

/** Every transcript of the folder. Files with several hold them under `transcripts`. */
export const all: ReadonlyArray<Transcript> = readdirSync(folder).sort().flatMap((file) => {
  const content = JSON.parse(readFileSync(new URL(file, folder), "utf8"))
  const transcripts: ReadonlyArray<{ readonly name: string; readonly messages: ReadonlyArray<Entry> }> =
    content.transcripts ?? [content]
  return transcripts.map((transcript) => ({
    name: `${file.replace(".json", "")}: ${transcript.name}`,
    messages: transcript.messages.map(toRecorded)
  }))
})
