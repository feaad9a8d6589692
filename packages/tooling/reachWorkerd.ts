// Runs reachWorker.ts in workerd, with one request.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import type { Servers } from "./reach.ts"
import { bundle } from "./reachBundle.ts"

const workerd = join(import.meta.dirname, "../../reach/node_modules/workerd")
const { version } = JSON.parse(readFileSync(join(workerd, "package.json"), "utf8"))
const servers: Servers = JSON.parse(process.env["REACH"]!)
const text = (value: string) => JSON.stringify(value)
const network = (root: string) =>
  `(allow = ["public", "private"], tlsOptions = (trustedCertificates = [${text(root)}]))`

const variables = Object.entries(process.env).filter(([name]) => /^(?:REACH|PG[A-Z]+)$/.test(name))
const config = `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = ${network(servers.postgres.root)}),
    (name = "distrusting", network = ${network(servers.postgres.otherRoot)})
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);

const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  bindings = [
${variables.map(([name, value]) => `    (name = ${text(name)}, text = ${text(value!)}),`).join("\n")}
    (name = "DISTRUSTING", service = "distrusting")
  ]
);
`

const folder = mkdtempSync(join(tmpdir(), "hyperfect-workerd-"))
writeFileSync(join(folder, "worker.js"), await bundle("reachWorker.ts", { "cloudflare:sockets": "cloudflare:sockets" }))
writeFileSync(join(folder, "config.capnp"), config)
const child = spawn(join(workerd, "bin/workerd"), ["serve", "--control-fd=3", join(folder, "config.capnp")], {
  stdio: ["ignore", "inherit", "inherit", "pipe"]
})
try {
  console.log(JSON.stringify({ version }))
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { event, port } = JSON.parse(line)
    if (event !== "listen") continue
    console.log(await (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(100_000) })).text())
    break
  }
} finally {
  child.kill()
  rmSync(folder, { recursive: true })
}
process.exit(0)
