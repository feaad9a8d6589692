/**
 * The output of the demo: headings, aligned tables, bars and a progress bar. Plain lines if the output is not a
 * terminal.
 */
import { Console, Effect, Formatter } from "effect"

const isTerminal = process.stdout.isTTY === true
const style = (code: number) => (text: string) => (isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text)
const bold = style(1)
const dim = style(2)

export const heading = (text: string) => Console.log(`\n${bold(text)}`)

/** Prints lines of a label and its value. */
export const keyValues = (entries: Readonly<Record<string, string>>) => {
  const width = Math.max(...Object.keys(entries).map((label) => label.length))
  return Effect.forEach(
    Object.entries(entries),
    ([label, value]) => Console.log(`  ${label.padEnd(width)}  ${value}`),
    {
      discard: true
    }
  )
}

const cell = (value: unknown): string => {
  if (value === null) return "-"
  if (typeof value === "number" && !Number.isInteger(value)) return value.toFixed(1)
  return typeof value === "object" ? Formatter.format(value) : `${value as string | number | bigint}`
}

/** Prints rows under the names of their fields, with numbers aligned to the right. */
export const table = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) => {
  const names = Object.keys(rows[0] ?? {})
  const columns = names.map((name) => ({
    name,
    width: Math.max(name.length, ...rows.map((row) => cell(row[name]).length)),
    isNumber: rows.every((row) => row[name] === null || typeof row[name] === "number" || typeof row[name] === "bigint")
  }))
  const line = (text: (name: string) => string) =>
    `  ${
      columns.map(({ isNumber, name, width }) => isNumber ? text(name).padStart(width) : text(name).padEnd(width)).join(
        "  "
      )
    }`
      .trimEnd()
  return Console.log([
    dim(line((name) => name)),
    ...rows.map((row) => line((name) => cell(row[name])))
  ].join("\n"))
}

/** Prints one bar for each entry, the longest as wide as fits; none for negative values. */
export const bars = (entries: ReadonlyArray<readonly [label: string, value: number]>) => {
  const labelWidth = Math.max(...entries.map(([label]) => label.length))
  const longest = Math.max(...entries.map(([, value]) => value))
  return Console.log(
    entries.map(([label, value]) =>
      `  ${label.padStart(labelWidth)} ${"█".repeat(Math.max(0, Math.round((value / longest) * 48)))} ${cell(value)}`
    ).join("\n")
  )
}

const count = (n: number) => n.toLocaleString("en-US")

/** Prints a progress bar that grows with the rows; nothing without a terminal. */
export const progress = (name: string, total: number) => {
  const started = performance.now()
  return ({ rows }: { readonly rows: number }) =>
    Effect.sync(() => {
      if (!isTerminal) return
      const share = Math.min(1, rows / total)
      const bar = "█".repeat(Math.round(share * 30)).padEnd(30, "░")
      const perSecond = Math.round(rows / ((performance.now() - started) / 1000))
      process.stdout.write(`\r  ${name.padEnd(12)} ${bar} ${count(rows)} rows, ${count(perSecond)} rows/s  `)
    })
}

/** Prints the line that remains when a load is complete. */
export const loadSummary = (name: string, result: { readonly rows: number; readonly rowsPerSecond: number }) =>
  Console.log(
    `${isTerminal ? "\r\u001b[2K" : ""}  ${name.padEnd(12)} ${count(result.rows)} rows, ${
      count(result.rowsPerSecond)
    } rows/s`
  )
