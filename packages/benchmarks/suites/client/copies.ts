/** B6in, B6out: COPY in text. */
import type { Workload } from "../../Workload.ts"
import { idOf, type Which } from "../codec/samples.ts"
import { definition, digestOf, type Fixture, fixtures, makeRows, summary, toLine } from "./copiedRows.ts"
import type { Contender, Driver } from "./Driver.ts"
import { entries, only } from "./entries.ts"

const chunkSize = 64 * 1024

/** The data, in chunks that are cut at arbitrary positions. */
const makeChunks = (fixture: Fixture): ReadonlyArray<Uint8Array> => {
  const bytes = Buffer.from(makeRows(fixture).map(toLine).join(""))
  return Array.from(
    { length: Math.ceil(bytes.length / chunkSize) },
    (_, i) => bytes.subarray(i * chunkSize, (i + 1) * chunkSize)
  )
}

const copying = ["hyperfect", "postgres", "pg", "socket"]

/** Makes a table, and returns a function that copies the rows into it. */
const makeTable = async (driver: Driver, fixture: Fixture): Promise<() => Promise<unknown>> => {
  await driver.collect(`create temporary table lines ${definition(fixture)}`)
  return driver.copyIn!("copy lines from stdin", makeChunks(fixture))
}

const titled = (what: string, { columns, rowCount }: Fixture): string =>
  `${what} of ${rowCount} rows of ${Object.keys(columns).length} columns in text`

export const copiedIn = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B6in", set),
  title: `${titled("COPY FROM STDIN", fixtures[set])}, in chunks of 64 KiB`,
  rounds: 7,
  entries: entries(only(contenders, copying), { connections: 1 }, async (driver) => {
    const copy = await makeTable(driver, fixtures[set])
    const run = async () => {
      await driver.collect("truncate lines")
      await copy()
    }
    return {
      run,
      check: async () => {
        await run()
        const [line] = await driver.collect(summary(fixtures[set], "lines"))
        return JSON.stringify(line, ["summary"])
      }
    }
  })
})

export const copiedOut = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B6out", set),
  title: titled("COPY TO STDOUT", fixtures[set]),
  rounds: 7,
  entries: entries(only(contenders, copying), { connections: 1 }, async (driver) => {
    const copy = await makeTable(driver, fixtures[set])
    await copy()
    return {
      run: () => driver.copyOut!("copy lines to stdout"),
      check: async () => {
        const chunks: Array<Uint8Array> = []
        const size = await driver.copyOut!("copy lines to stdout", (chunk) => chunks.push(Uint8Array.from(chunk)))
        return `${size} ${digestOf(Buffer.concat(chunks).toString().split("\n"))}`
      }
    }
  })
})
