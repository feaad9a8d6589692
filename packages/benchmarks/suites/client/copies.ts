/** B6in, B6out: COPY in text. */
import { createHash } from "node:crypto"
import type { Workload } from "../../Workload.ts"
import type { Contender } from "./Driver.ts"
import { entries, only } from "./entries.ts"

const rowCount = 1_000_000
const chunkSize = 64 * 1024

const create = "create temporary table lines (id int4, name text, ratio float8)"
const fill = `insert into lines select i, 'name ' || i, i / 1024.0 from generate_series(0, ${rowCount - 1}) as g(i)`

/** The data, in chunks that are cut at arbitrary positions. */
const makeChunks = (): ReadonlyArray<Uint8Array> => {
  const lines: Array<string> = []
  for (let i = 0; i < rowCount; i++) lines.push(`${i}\tname ${i}\t${i / 1024}\n`)
  const bytes = Buffer.from(lines.join(""))
  return Array.from(
    { length: Math.ceil(bytes.length / chunkSize) },
    (_, i) => bytes.subarray(i * chunkSize, (i + 1) * chunkSize)
  )
}

const copying = ["hyperfect", "postgres", "pg", "socket"]

export const copiedIn = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B6in",
  title: "COPY FROM STDIN of 1M rows in text, in chunks of 64 KiB",
  rounds: 7,
  entries: entries(only(contenders, copying), { connections: 1 }, async (driver) => {
    await driver.collect(create)
    const copy = driver.copyIn!("copy lines from stdin", makeChunks())
    const run = async () => {
      await driver.collect("truncate lines")
      await copy()
    }
    return {
      run,
      check: async () => {
        await run()
        const [line] = await driver.collect(
          "select count(*)::int4 as n, sum(id)::text as ids, sum(ratio)::text as ratios from lines"
        )
        return JSON.stringify(line, ["n", "ids", "ratios"])
      }
    }
  })
})

export const copiedOut = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B6out",
  title: "COPY TO STDOUT of 1M rows in text",
  rounds: 7,
  entries: entries(only(contenders, copying), { connections: 1 }, async (driver) => {
    await driver.collect(create)
    await driver.collect(fill)
    return {
      run: () => driver.copyOut!("copy lines to stdout"),
      check: async () => {
        const hash = createHash("sha256")
        const size = await driver.copyOut!("copy lines to stdout", (chunk) => hash.update(chunk))
        return `${size} ${hash.digest("hex")}`
      }
    }
  })
})
