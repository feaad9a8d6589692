/** The inputs that the fuzzer has kept: one for each outcome, as lines of JSON. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import type { Found, Target } from "./fuzzing.ts"

const path = new URL("fuzz-corpus.jsonl", import.meta.url)

interface Line {
  readonly outcome: string
  readonly target: Target
  readonly hex: string
}

export const fromLine = (line: string): Found => {
  const { hex, outcome, target }: Line = JSON.parse(line)
  return { outcome, input: { target, bytes: Uint8Array.from(Buffer.from(hex, "hex")) } }
}

export const toLine = ({ input, outcome }: Found): string =>
  JSON.stringify({ outcome, target: input.target, hex: Buffer.from(input.bytes).toString("hex") } satisfies Line)

export const load = (): ReadonlyArray<Found> =>
  !existsSync(path) ? [] : readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map(fromLine)

/** Keeps the shortest input of each outcome. */
export const save = (found: ReadonlyArray<Found>): number => {
  const shortest = new Map<string, Found>()
  for (const one of found) {
    const other = shortest.get(one.outcome)
    if (other === undefined || one.input.bytes.length < other.input.bytes.length) shortest.set(one.outcome, one)
  }
  const lines = [...shortest.values()].sort((a, b) => a.outcome < b.outcome ? -1 : 1).map(toLine)
  writeFileSync(path, lines.join("\n") + "\n")
  return lines.length
}
