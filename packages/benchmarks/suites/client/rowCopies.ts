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
import { makeDigest } from "../codec/frames.ts"
import { getAddress } from "./address.ts"
import { acquire } from "./effectLoops.ts"

const rowCount = 1_000_000

interface Row {
  readonly [name: string]: number | string
  readonly id: number
  readonly name: string
  readonly ratio: number
}

const row = (id: number): Row => ({ id, name: `name ${id}`, ratio: id / 1024 })

const create = (table: string) =>
  `drop table if exists ${table}; create unlogged table ${table} (id int4, name text, ratio float8)`
const fill = (table: string) =>
  `insert into ${table} select i, 'name ' || i, i / 1024.0 from generate_series(0, ${rowCount - 1}) as g(i)`
const sums = (table: string) =>
  `select count(*)::text || ' ' || sum(id) || ' ' || sum(ratio) || ' ' || sum(hashtext(name)) from ${table}`

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
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
  return new Promise((resolve, reject) =>
    child.on("close", (code) => code === 0 ? resolve(out.trim()) : reject(new Error(errors)))
  )
}

const hasPsql = spawnSync("psql", ["--version"]).error === undefined

/** Returns both entries, or only ours if psql is not installed. */
const withPsql = (ours: Entry, theirs: Entry): ReadonlyArray<Entry> => hasPsql ? [ours, theirs] : [ours]

export const rowsCopiedIn: Workload = {
  id: "B6bin-in",
  title: "COPY FROM STDIN of 1M rows of 3 columns, binary from objects; psql: text that is ready",
  rounds: 7,
  entries: withPsql({
    name: "hyperfect",
    kind: "ours",
    setup: async () => {
      const { client, close, run } = await open()
      const rows = Array.from({ length: rowCount }, (_, id) => row(id))
      await Effect.runPromise(client.simple(create("in_binary")))
      const copy = () => run(Effect.andThen(client.simple("truncate in_binary"), Copy.into(rows, "in_binary")))
      return {
        run: copy,
        check: async () => {
          await copy()
          return onlyValue(client, sums("in_binary"))
        },
        close
      }
    }
  }, {
    name: "psql, text",
    kind: "peer",
    setup: async () => {
      const directory = mkdtempSync(join(tmpdir(), "hyperfect-copy-"))
      const file = join(directory, "rows.txt")
      const lines = Array.from({ length: rowCount }, (_, id) => Object.values(row(id)).join("\t"))
      writeFileSync(file, `${lines.join("\n")}\n`)
      await psql(create("in_text"))
      const copy = () => psql("truncate in_text", `\\copy in_text from '${file}'`)
      return {
        run: copy,
        check: async () => {
          await copy()
          return psql(sums("in_text"))
        },
        close: () => Promise.resolve(rmSync(directory, { recursive: true }))
      }
    }
  })
}

export const rowsCopiedOut: Workload = {
  id: "B6bin-out",
  title: "COPY TO STDOUT of 1M rows of 3 columns, binary to objects; psql: text, thrown away",
  rounds: 7,
  entries: withPsql({
    name: "hyperfect",
    kind: "ours",
    setup: async () => {
      const { client, close, run } = await open()
      await Effect.runPromise(client.simple(create("out_binary")))
      await Effect.runPromise(client.simple(fill("out_binary")))
      const read = (onRow?: (row: unknown) => void) => {
        let count = 0
        return run(Effect.map(
          Stream.runForEachArray(Copy.from("out_binary"), (rows) =>
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
          const digest = makeDigest()
          await read((row) => digest.add(JSON.stringify(row)))
          return digest.end()
        },
        close
      }
    }
  }, {
    name: "psql, text",
    kind: "peer",
    setup: async () => {
      await psql(create("out_text"), fill("out_text"))
      return {
        run: () => psql("\\copy out_text to '/dev/null'"),
        check: async () => {
          const digest = makeDigest()
          for (const line of (await psql("copy out_text to stdout")).split("\n")) {
            const [id, name, ratio] = line.split("\t")
            digest.add(JSON.stringify({ id: Number(id), name, ratio: Number(ratio) }))
          }
          return digest.end()
        }
      }
    }
  })
}
