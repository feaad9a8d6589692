/** B6bin: binary COPY from and to JavaScript rows, compared with psql, which copies existing text. */
import { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Stream } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Entry, Workload } from "../../Workload.ts"
import { idOf, type Which } from "../codec/samples.ts"
import { getAddress } from "./address.ts"
import { definition, digestOf, type Fixture, fixtures, fromLine, makeRows, summary, toLine } from "./copiedRows.ts"
import { acquire } from "./effectLoops.ts"

const create = (fixture: Fixture, table: string): string =>
  `drop table if exists ${table}; create unlogged table ${table} ${definition(fixture)}`

/** Opens a client, and returns a function that runs effects with it. */
const open = async () => {
  const { database, host, port, trusted: user } = getAddress()
  const session = Session.make({ endpoint: Endpoint.tcp(host, port), user, database })
  const [client, close] = await acquire(Effect.provide(session, NodePlatform.layer))
  return {
    close,
    client,
    run: <A, E>(effect: Effect.Effect<A, E, Client>) => Effect.runPromise(Effect.provideService(effect, Client, client))
  }
}

const onlyValue = (client: Session.Session, text: string): Promise<string> =>
  Effect.runPromise(Effect.map(client.values(text), ({ rows }) => String(rows[0]![0])))

const psql = (...commands: ReadonlyArray<string>): Promise<string> => {
  const { database, host, port, trusted: user } = getAddress()
  const where = ["-h", host, "-p", `${port}`, "-U", user, "-d", database]
  const child = spawn("psql", [
    "-X",
    "-q",
    "-At",
    "-v",
    "ON_ERROR_STOP=1",
    ...where,
    ...commands.flatMap((c) => ["-c", c])
  ])
  let [out, errors] = ["", ""]
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk))
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk))
  return new Promise((resolve, reject) =>
    child.on("close", (code) => code === 0 ? resolve(out.replace(/\n$/, "")) : reject(new Error(errors)))
  )
}

const hasPsql = spawnSync("psql", ["--version"]).error === undefined

/** Returns both entries, or only ours if psql is not installed. */
const withPsql = (ours: Entry, theirs: Entry): ReadonlyArray<Entry> => hasPsql ? [ours, theirs] : [ours]

/** Makes a table by psql, and returns a function that copies the rows into it, and one that deletes their file. */
const makeTable = async (fixture: Fixture, table: string) => {
  const directory = mkdtempSync(join(tmpdir(), "hyperfect-copy-"))
  const file = join(directory, "rows.txt")
  writeFileSync(file, makeRows(fixture).map(toLine).join(""))
  await psql(create(fixture, table))
  return {
    copy: () => psql(`truncate ${table}`, `\\copy ${table} from '${file}'`),
    close: () => Promise.resolve(rmSync(directory, { recursive: true }))
  }
}

const titled = (what: string, { columns, rowCount }: Fixture): string =>
  `${what} of ${rowCount} rows of ${Object.keys(columns).length} columns`

export const rowsCopiedIn = (set: Which): Workload => {
  const fixture = fixtures[set]
  const [binary, text] = [`in_binary_${set}`, `in_text_${set}`]
  return {
    id: idOf("B6bin-in", set),
    title: `${titled("COPY FROM STDIN", fixture)}, binary from objects; psql: text that is ready`,
    rounds: 7,
    entries: withPsql({
      name: "hyperfect",
      kind: "ours",
      setup: async () => {
        const { client, close, run } = await open()
        const rows = makeRows(fixture)
        await Effect.runPromise(client.simple(create(fixture, binary)))
        const copy = () => run(Effect.andThen(client.simple(`truncate ${binary}`), Copy.into(rows, binary)))
        return {
          run: copy,
          check: async () => {
            await copy()
            return onlyValue(client, summary(fixture, binary))
          },
          close
        }
      }
    }, {
      name: "psql, text",
      kind: "peer",
      setup: async () => {
        const { close, copy } = await makeTable(fixture, text)
        return {
          run: copy,
          check: async () => {
            await copy()
            return psql(summary(fixture, text))
          },
          close
        }
      }
    })
  }
}

export const rowsCopiedOut = (set: Which): Workload => {
  const fixture = fixtures[set]
  const [binary, text] = [`out_binary_${set}`, `out_text_${set}`]
  return {
    id: idOf("B6bin-out", set),
    title: `${titled("COPY TO STDOUT", fixture)}, binary to objects; psql: text, thrown away`,
    rounds: 7,
    entries: withPsql({
      name: "hyperfect",
      kind: "ours",
      setup: async () => {
        const { client, close, run } = await open()
        await Effect.runPromise(client.simple(create(fixture, binary)))
        await run(Copy.into(makeRows(fixture), binary))
        const read = (onRow?: (row: unknown) => void) => {
          let count = 0
          return run(Effect.map(
            Stream.runForEachArray(Copy.from(binary), (rows) =>
              Effect.sync(() => {
                count += rows.length
                if (onRow !== undefined) { for (const row of rows) onRow(row) }
              })),
            () => count
          ))
        }
        return {
          run: () => read(),
          check: async () => {
            const lines: Array<string> = []
            await read((row) => lines.push(JSON.stringify(row)))
            return digestOf(lines)
          },
          close
        }
      }
    }, {
      name: "psql, text",
      kind: "peer",
      setup: async () => {
        const { close, copy } = await makeTable(fixture, text)
        await copy()
        return {
          run: () => psql(`\\copy ${text} to '/dev/null'`),
          check: async () => {
            const lines = (await psql(`copy ${text} to stdout`)).split("\n")
            return digestOf(lines.map((line) => JSON.stringify(fromLine(fixture, line))))
          },
          close
        }
      }
    })
  }
}
