// Prints the figures of packages/docs/evidence/performance.md: node --conditions=@hyperfect/source packages/benchmarks/evidence.ts
import type { Client } from "@hyperfect/client"
import { Dialect, Statement } from "@hyperfect/client"
import { HyperSql } from "@hyperfect/sql"
import { BuiltIn, Columns, RowReader } from "@hyperfect/values"
import { Effect } from "effect"
import { Reactivity } from "effect/reactivity"
import { availableParallelism, cpus } from "node:os"

type Work = () => unknown

/** Keeps results alive, so that work without effects is not optimised away. */
export let sink: unknown

/** Returns nanoseconds of CPU time per call: the least of several rounds. */
const cost = (work: Work, calls: number): number => {
  let best = Infinity
  for (let round = 0; round < 12; round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < calls; i++) sink = work()
    const { system, user } = process.cpuUsage(before)
    best = Math.min(best, ((user + system) * 1000) / calls)
  }
  return best
}

const compare = (id: string, calls: number, entries: Readonly<Record<string, Work>>): void => {
  const figures = Object.entries(entries).map(([name, work]) => `${name} ${cost(work, calls).toFixed(1)}`)
  console.log(`${id}: ${figures.join(", ")} ns`)
}

const bytes = new Uint8Array(4096).map((_, i) => 97 + i % 26)
const target = Buffer.alloc(4096) as Buffer & {
  readonly utf8Slice: (start: number, end: number) => string
  readonly utf8Write: (text: string, offset: number) => number
}
const text = "abcdefghijklmnopqrstuvwxyz".repeat(4)

for (const length of [4, 8, 16, 32]) {
  const source = bytes.slice(0, length)
  compare(`M-02 write ${length} bytes`, 1e6, {
    loop: () => {
      for (let i = 0; i < length; i++) target[i] = source[i]!
    },
    set: () => target.set(source, 0)
  })
}
for (const length of [4, 12, 24, 48]) {
  const short = text.slice(0, length)
  compare(`M-04 write ${length} characters`, 1e6, {
    loop: () => {
      for (let i = 0; i < length; i++) target[i] = short.charCodeAt(i)
    },
    utf8Write: () => target.utf8Write(short, 0)
  })
}
// dprint-ignore
compare("M-05 read 8 characters", 1e6, {
  fromCharCode: () => String.fromCharCode(
    bytes[0]!, bytes[1]!, bytes[2]!, bytes[3]!, bytes[4]!, bytes[5]!, bytes[6]!, bytes[7]!
  ),
  utf8Slice: () => target.utf8Slice(0, 8)
})
const { buffer, byteOffset } = target
compare("M-06 view of 16 bytes", 1e6, {
  constructor: () => new Uint8Array(buffer, byteOffset + 100, 16),
  "subarray of a Buffer": () => target.subarray(100, 116)
})
for (const length of [8, 32, 128]) {
  compare(`M-07 copy ${length} bytes`, 1e6, {
    loop: () => {
      const value = new Uint8Array(length)
      for (let i = 0; i < length; i++) value[i] = bytes[i]!
      return value
    },
    view: () => new Uint8Array(bytes.subarray(0, length))
  })
}
for (const length of [64, 65, 400]) {
  compare(`M-17 copy ${length} bytes`, 1e5, {
    "array of its own": () => new Uint8Array(bytes.subarray(0, length)),
    "part of a slab": () => {
      const value = new Uint8Array(buffer, byteOffset + 1024, length)
      value.set(bytes.subarray(0, length))
      return value
    }
  })
}
const digits = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"))
const codes = Array.from({ length: 36 }, (_, i) => 97 + i % 6)
compare("M-08 format a uuid", 1e6, {
  "one call": () => String.fromCharCode(...codes),
  concatenation: () => {
    let value = ""
    for (let i = 0; i < 16; i++) value += (i === 4 || i === 6 || i === 8 || i === 10 ? "-" : "") + digits[bytes[i]!]!
    return Buffer.byteLength(value)
  }
})
const view = new DataView(bytes.buffer)
const scratch = new ArrayBuffer(8)
const [words, doubles] = [new Int32Array(scratch), new Float64Array(scratch)]
const int32 = (at: number) => (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
compare("M-09 read a double", 1e6, {
  scratch: () => {
    words[1] = int32(8)
    words[0] = int32(12)
    return doubles[0]
  },
  "existing DataView": () => view.getFloat64(8),
  "new DataView": () => new DataView(bytes.buffer).getFloat64(8)
})
for (const count of [50, 200, 400, 1000, 1100, 1600]) {
  const values = Array.from({ length: count }, (_, i) => i)
  const names = values.map((i) => `c${i}`)
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the same as that of the row readers
  const literal = new Function("v", `return { ${values.map((i) => `c${i}: v[${i}]`).join()} }`) as (
    values: ReadonlyArray<number>
  ) => unknown
  compare(`M-10 object of ${count} properties`, 500, {
    literal: () => literal(values),
    "one at a time": () => {
      const value: Record<string, number> = {}
      for (let i = 0; i < count; i++) value[names[i]!] = values[i]!
      return value
    }
  })
}

const row = (columns: number): Uint8Array => {
  const body = Buffer.alloc(2 + columns * 8)
  body.writeInt16BE(columns)
  for (let i = 0; i < columns; i++) {
    body.writeInt32BE(4, 2 + i * 8)
    body.writeInt32BE(i, 6 + i * 8)
  }
  return Uint8Array.from(body)
}

for (const [columns, rows] of [[6, 128], [6, 512], [6, 2048], [64, 20_000], [128, 10_000], [256, 5_000]] as const) {
  const body = row(columns)
  const options = {
    columns: Array.from(
      { length: columns },
      (_, i) => ({ name: `c${i}`, typeOid: BuiltIn.int4.oid, typeModifier: -1 })
    ),
    formats: 1
  } as const
  const read = (codegen: "generated" | "interpreted"): Work => () => {
    const reader = RowReader.arraysUnsafe({ ...options, codegen })
    for (let i = 0; i < rows; i++) sink = reader(body, 0, body.length)
  }
  const append = (codegen: "generated" | "interpreted", start = Columns.make({ ...options, codegen })): Work => () => {
    const reader = start()
    for (let i = 0; i < rows; i++) reader.append(body, 0, body.length)
    return reader.take()
  }
  const [generated, interpreted] = [read("generated"), read("interpreted")]
  compare(`M-11 ${rows} rows of ${columns} columns`, 3, { generated, interpreted })
  compare(`M-12 ${rows} rows of ${columns} columns into columns`, 3, {
    generated: append("generated"),
    interpreted: append("interpreted")
  })
}
/** A client without a server. */
const client = {
  server: { kind: "postgres", dialect: Dialect.postgres },
  query: () => Effect.callback((resume) => resume(Effect.succeed({ rows: [] })))
} as unknown as Client.Client["Service"]
const facade = Effect.runSync(Effect.provide(HyperSql.fromClient(client), Reactivity.layer))
const thousand = (statement: () => Effect.Effect<unknown, unknown>): Work => () =>
  Effect.runSync(Effect.replicateEffect(Effect.suspend(statement), 1000, { discard: true }))
compare("M-22 1,000 statements with a parameter", 20, {
  client: thousand(() => client.query(Statement.sql`select ${1}`)),
  "sql of HyperSql": thousand(() => facade`select ${1}`),
  "sql of HyperSql by Effect's own statement": thousand(() => facade`select ${1}`.withoutTransform)
})
console.log(`Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"}`)
