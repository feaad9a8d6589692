/**
 * The rows that a server may have, given what was reported of the writes: every value of an answered write, once and in
 * order, none of a failed one, and those of one of unknown outcome all or not at all.
 */

/** The outcome of a write, as the client reports it. */
export type Outcome = "answered" | "failed" | "unknown"

/** A value that is appended to the list of a key. */
export interface Append {
  readonly key: number
  /** Rises with every append. */
  readonly value: number
  /** The first value of those that are written together. */
  readonly group: number
  readonly startedAt: number
  /** Absent while the write is under way. */
  end?: { readonly outcome: Outcome; readonly at: number; readonly server?: number | undefined }
}

export interface Row {
  readonly key: number
  readonly value: number
}

const isAnswered = ({ end }: Append): boolean => end?.outcome === "answered"

const describe = ({ end, key, value }: Append): string =>
  `${value} of ${key} (${end === undefined ? "under way" : end.outcome}${
    end?.server === undefined ? "" : ` by ${end.server}`
  })`

export class History {
  private readonly appends: Array<Append> = []
  /** Counts starts and ends, so that it tells which of two came first. */
  private clock = 0

  /** Notes the start of a write of several values, which are written together. */
  begin(key: number, count: number): ReadonlyArray<Append> {
    const startedAt = ++this.clock
    const group = this.appends.length
    const begun = Array.from({ length: count }, (_, i): Append => ({ key, value: group + i, group, startedAt }))
    this.appends.push(...begun)
    return begun
  }

  /** Notes the end of a write, and the server that has answered it. */
  end(appends: ReadonlyArray<Append>, outcome: Outcome, server?: number): void {
    const at = ++this.clock
    for (const append of appends) append.end = { outcome, at, server }
  }

  /** The number of appends by outcome. */
  count(outcome: Outcome): number {
    return this.appends.filter(({ end }) => end?.outcome === outcome).length
  }

  /**
   * Returns what is wrong with the rows of a server, which are in the order in which they were written. It must have the
   * answered appends for which `isRequired` is true.
   */
  check(rows: ReadonlyArray<Row>, isRequired: (append: Append) => boolean = () => true): ReadonlyArray<string> {
    const problems: Array<string> = []
    const found: Array<Append> = []
    const present = new Set<Append>()
    for (const { key, value } of rows) {
      const append = this.appends[value]
      if (append?.key !== key) problems.push(`${value} of ${key} was never written`)
      else if (present.has(append)) problems.push(`${describe(append)} is there twice`)
      else if (append.end?.outcome === "failed") problems.push(`${describe(append)} is there`)
      else found.push(append)
      if (append !== undefined) present.add(append)
    }
    for (const append of this.appends) {
      const isPresent = present.has(append)
      const first = this.appends[append.group]!
      if (!isPresent && isAnswered(append) && isRequired(append)) problems.push(`${describe(append)} is missing`)
      if (isPresent !== present.has(first)) problems.push(`${describe(append)} is torn from ${describe(first)}`)
    }
    return [...problems, ...misplaced(found)]
  }
}

/** Returns the appends that precede one which was answered before they were begun, or an earlier one of their key. */
const misplaced = (found: ReadonlyArray<Append>): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const latest = new Map<number, Append>()
  for (const append of found.filter(isAnswered)) {
    const previous = latest.get(append.key)
    if (previous !== undefined && previous.value > append.value) {
      problems.push(`${describe(append)} comes after ${describe(previous)}`)
    }
    latest.set(append.key, append)
  }
  let earliest: Append | undefined
  for (const append of found.toReversed()) {
    if (earliest !== undefined && earliest.end!.at < append.startedAt) {
      problems.push(`${describe(append)} comes before ${describe(earliest)}, which was answered before it was begun`)
    }
    if (isAnswered(append) && (earliest === undefined || append.end!.at < earliest.end!.at)) earliest = append
  }
  return problems
}
