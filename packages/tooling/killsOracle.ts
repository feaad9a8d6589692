/**
 * The contents that a database file may have, given what was reported of the loads and saves: every batch of rows that
 * was reported saved, none that was reported failed, and each batch whole or not at all.
 */

/** The outcome of a load or save, as the client reports it. */
export type Outcome = "done" | "failed" | "unknown"

/** A state of the database: its batches. */
type State = ReadonlySet<number>

/** The batches in a file, with their number of rows and the sum of their row numbers. */
export type Found = ReadonlyMap<number, { readonly rows: number; readonly sum: number }>

const matches = (state: State, found: Found): boolean =>
  state.size === found.size && [...found.keys()].every((batch) => state.has(batch))

const describe = (state: State): string => [...state].join(", ") || "nothing"

/** The history of one file. Batches have numbers, rows have numbers from 0 within their batch. */
export class FileHistory {
  /** The states that the file may have: more after a load or save of unknown outcome. */
  private saved: ReadonlyArray<State>
  /** The states committed later. The server may have written one of them, but has not reported it. */
  private later: ReadonlyArray<State> = []
  private current: ReadonlyArray<State>
  private readonly sizes: Map<number, number>
  private readonly events: Array<string> = []

  /** Begins with the batches that a file has, by size. */
  constructor(sizes: ReadonlyMap<number, number> = new Map()) {
    this.sizes = new Map(sizes)
    this.current = [new Set(sizes.keys())]
    this.saved = this.current
  }

  /** Returns the batches that the database may have now. */
  get batches(): ReadonlySet<number> {
    return new Set(this.current.flatMap((state) => [...state]))
  }

  /** Notes the load of batches in one transaction, instead of those whose rows it updates. */
  load(batches: ReadonlyMap<number, number>, outcome: Outcome, updated: ReadonlyArray<number> = []): void {
    const names = [...batches.keys()]
    const instead = updated.length === 0 ? "" : ` instead of ${updated.join(" or ")}`
    this.events.push(`load of ${names.join("+")}${instead}: ${outcome}`)
    for (const [batch, size] of batches) this.sizes.set(batch, size)
    if (outcome === "failed") return
    const loaded = this.current.map((state) =>
      new Set([...[...state].filter((batch) => !updated.includes(batch)), ...names])
    )
    this.current = outcome === "done" ? loaded : [...this.current, ...loaded]
    this.later = [...this.later, ...this.current]
  }

  /** Notes a save: `failed` if what was written since the last one is reported lost. */
  save(outcome: Outcome): void {
    this.events.push(`save: ${outcome}`)
    if (outcome === "done") this.saved = this.current
    else if (outcome === "failed") this.current = this.saved
    else this.saved = [...this.saved, ...this.later]
    this.later = []
  }

  /** Notes that the file was to be replaced by another one. */
  replace(by: FileHistory, outcome: Outcome): void {
    this.events.push(`replacement after (${by.events.join("; ")}): ${outcome}`)
    for (const [batch, size] of by.sizes) this.sizes.set(batch, size)
    if (outcome === "failed") return
    this.saved = outcome === "done" ? by.current : [...this.saved, ...by.current]
    this.current = by.current
    this.later = []
  }

  /** Returns the violation that the contents of the file are, if they are one. */
  check(found: Found): string | undefined {
    const torn = [...found].filter(([batch, { rows, sum }]) => {
      const size = this.sizes.get(batch)
      return size !== rows || sum !== size * (size - 1) / 2
    })
    const states = [...this.saved, ...this.later]
    if (torn.length === 0 && states.some((state) => matches(state, found))) return undefined
    const wrong = torn.map(([batch, { rows }]) => `${batch} has ${rows} of ${this.sizes.get(batch) ?? 0} rows`)
    return [
      `the file has ${[...found.keys()].join(", ") || "nothing"}${wrong.length > 0 ? ` (${wrong.join(", ")})` : ""}`,
      `it may have ${[...new Set(states.map(describe))].join(" | or ")}`,
      ...this.events
    ].join("\n    ")
  }
}
