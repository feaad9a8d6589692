/** The corpus of the fuzzer: one input for each outcome, as lines of JSON. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import type { CorpusEntry, Target } from "./fuzzer.ts"

const path = new URL("fuzz-corpus.jsonl", import.meta.url)

interface JsonLine {
  readonly outcome: string
  readonly target: Target
  readonly hex: string
}

export const fromLine = (line: string): CorpusEntry => {
  const { hex, outcome, target }: JsonLine = JSON.parse(line)
  return { outcome, input: { target, bytes: Uint8Array.from(Buffer.from(hex, "hex")) } }
}

export const toLine = ({ input, outcome }: CorpusEntry): string =>
  JSON.stringify({ outcome, target: input.target, hex: Buffer.from(input.bytes).toString("hex") } satisfies JsonLine)

export const load = (): ReadonlyArray<CorpusEntry> =>
  !existsSync(path) ? [] : readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map(fromLine)

/** Adds inputs to the corpus, keeping the shortest input of each outcome. */
export const save = (found: ReadonlyArray<CorpusEntry>): number => {
  const shortest = new Map<string, CorpusEntry>()
  for (const one of found) {
    const other = shortest.get(one.outcome)
    if (other === undefined || one.input.bytes.length < other.input.bytes.length) shortest.set(one.outcome, one)
  }
  const lines = [...shortest.values()].sort((a, b) => a.outcome < b.outcome ? -1 : 1).map(toLine)
  writeFileSync(path, lines.join("\n") + "\n")
  return lines.length
}
