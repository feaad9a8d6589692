/** Pgpool-II as installed on this machine, in front of the server of a test file. */
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Redacted, Schedule } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "../../testing/test/ports.ts"
import { TestServer } from "./liveServers.ts"

const versionCommand = spawnSync("pgpool", ["--version"], { encoding: "utf8" })

/** The version, such as `pgpool-II version 4.3.5`; `undefined` if it is not installed. */
export const pgpoolVersion = versionCommand.status === 0
  ? /pgpool-II version \S+/.exec(versionCommand.stdout + versionCommand.stderr)?.[0]
  : undefined

/** Starts pgpool for the scope, and returns how to connect to it. */
export const startPgpool = Effect.gen(function*() {
  const { config } = yield* TestServer
  const { endpoint, password, user } = config
  if (endpoint._tag !== "Tcp" || !Redacted.isRedacted(password)) return yield* Effect.die("pgpool wants TCP")
  const port = yield* freePort
  const controlPort = yield* freePort
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "hyperfect-pgpool-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const settings: Readonly<Record<string, string | number>> = {
    backend_clustering_mode: "raw",
    backend_hostname0: endpoint.host,
    backend_port0: endpoint.port,
    listen_addresses: "127.0.0.1",
    port,
    pcp_listen_addresses: "127.0.0.1",
    pcp_port: controlPort,
    socket_dir: directory,
    pcp_socket_dir: directory,
    pid_file_name: join(directory, "pgpool.pid"),
    logdir: directory,
    num_init_children: 12,
    max_pool: 1,
    pool_passwd: join(directory, "pool_passwd"),
    enable_pool_hba: "on"
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'`)
  const file = join(directory, "pgpool.conf")
  writeFileSync(file, `${lines.join("\n")}\n`)
  writeFileSync(join(directory, "pool_passwd"), `${user}:TEXT${String(Redacted.value(password))}\n`)
  const accessFile = join(directory, "pool_hba.conf")
  writeFileSync(accessFile, "host all all 127.0.0.1/32 scram-sha-256\n")
  yield* Effect.acquireRelease(
    Effect.sync(() => spawn("pgpool", ["-n", "-f", file, "-a", accessFile], { stdio: "ignore", cwd: directory })),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        // Its children end with it only if it may tell them to.
        child.kill("SIGINT")
        await once(child, "exit")
      })
  )
  const through: ConnectionConfig.ConnectionConfig = {
    endpoint: Endpoint.tcp("127.0.0.1", port),
    user,
    password,
    database: config.database,
    sslMode: "disable"
  }
  yield* Effect.retry(Effect.scoped(Session.make(through)), Schedule.spaced("50 millis"))
  return through
})
