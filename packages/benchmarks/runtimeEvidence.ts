// Prints the figures of packages/docs/evidence/performance.md that are facts about Node and V8: the server of M-01 is
// this program with the argument "server". Run it as node packages/benchmarks/runtimeEvidence.ts.
import { fork } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type TcpNetConnectOpts } from "node:net"
import { PerformanceObserver } from "node:perf_hooks"
import { setImmediate, setTimeout } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext, runInThisContext } from "node:vm"

/** Returns microseconds of CPU time per call. */
const cost = async (calls: number, work: () => Promise<void>): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / calls
}

const median = (values: ReadonlyArray<number>): string =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!.toFixed(2)

const serve = (): void => {
  const server = createServer((socket) => {
    socket.on("data", () => socket.write(Buffer.alloc(60, 1)))
  }).listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port))
  process.on("disconnect", () => process.exit())
}

const open = async (port: number, hasOwnBuffer: boolean) => {
  let onChunk: (chunk: Uint8Array) => void = () => {}
  let bytes = new ArrayBuffer(65_536)
  let filled = 0
  const options: TcpNetConnectOpts = { port, host: "127.0.0.1", noDelay: true }
  const buffer = () => {
    if (bytes.byteLength - filled < 16_384) {
      bytes = new ArrayBuffer(65_536)
      filled = 0
    }
    return new Uint8Array(bytes, filled)
  }
  const callback = (size: number) => {
    onChunk(new Uint8Array(bytes, filled, size))
    filled += size
    return true
  }
  const socket = connect(hasOwnBuffer ? { ...options, onread: { buffer, callback } } : options)
  if (!hasOwnBuffer) socket.on("data", (chunk: Uint8Array) => onChunk(chunk))
  await once(socket, "connect")
  const request = Buffer.alloc(40, 2)
  const ask = () =>
    new Promise((resolve) => {
      onChunk = resolve
      socket.write(request)
    })
  const calls = 3000
  return {
    close: () => socket.destroy(),
    round: () =>
      cost(calls, async () => {
        for (let i = 0; i < calls; i++) await ask()
      })
  }
}

const compareReads = async (): Promise<void> => {
  const child = fork(import.meta.filename, ["server"])
  const [port] = await once(child, "message") as [number]
  const own = await open(port, true)
  const nodes = await open(port, false)
  const ratios: Array<number> = []
  for (let round = 0; round < 24; round++) {
    const first = round % 2 === 0 ? own : nodes
    const one = await first.round()
    const other = await (first === own ? nodes : own).round()
    ratios.push(first === own ? one / other : other / one)
  }
  console.log(`M-01 reads of one buffer: ${median(ratios)} of the time of Node's reads`)
  own.close()
  nodes.close()
  child.disconnect()
}

/** Runs a writer's code, and returns true if V8 still has optimised code for it after collections. */
const staysOptimised = async (isKept: boolean): Promise<boolean> => {
  const { Writer, statusOf, write } = runInThisContext(`({
    Writer: class { constructor(size) { this.bytes = new Uint8Array(size); this.position = 0 } },
    write: (out, byte) => { out.bytes[out.position] = byte; out.position = out.position + 1 & 63 },
    statusOf: (f) => %GetOptimizationStatus(f)
  })`) as {
    readonly Writer: new(size: number) => object
    readonly write: (out: object, byte: number) => void
    readonly statusOf: (f: unknown) => number
  }
  // Only a context that is made after the flag was set has it.
  const collect = runInNewContext("gc") as () => void
  const lasting = isKept ? new Writer(0) : undefined
  for (let message = 0; message < 10_000; message++) {
    const out = new Writer(64)
    for (let i = 0; i < 200; i++) write(out, i)
    if (message % 2000 === 0) await setTimeout(20)
  }
  for (let i = 0; i < 8; i++) {
    collect()
    await setImmediate()
  }
  // The bits of Maglev and of Turbofan (V8, runtime.h, OptimizationStatus).
  return (statusOf(write) & 0b110000) !== 0 && (lasting === undefined || isKept)
}

const collections = async (slabSize: number): Promise<string> => {
  let count = 0
  const observer = new PerformanceObserver((list) => {
    count += list.getEntries().length
  })
  observer.observe({ entryTypes: ["gc"] })
  const held: Array<Uint8Array> = []
  const batches = 40_000
  const time = await cost(batches, async () => {
    for (let i = 0; i < batches; i++) {
      held[i % 16] = new Uint8Array(slabSize).subarray(0, 36 * 1024)
      if (i % 500 === 0) await setImmediate()
    }
  })
  await setTimeout(50)
  observer.disconnect()
  return `${count} collections, ${time.toFixed(1)} us a batch`
}

if (process.argv[2] === "server") serve()
else {
  await compareReads()
  setFlagsFromString("--allow-natives-syntax")
  setFlagsFromString("--expose-gc")
  for (const isKept of [false, true]) {
    console.log(
      `M-03 optimised after collections, ${isKept ? "with" : "without"} an instance: ${await staysOptimised(isKept)}`
    )
  }
  for (const size of [40, 128]) {
    console.log(`M-13 batches of 36 KiB in slabs of ${size} KiB: ${await collections(size * 1024)}`)
  }
}
