/** PgBouncer as installed on this machine, in front of a server. */
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Redacted, Schedule } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "../../testing/test/ports.ts"

const versionCommand = spawnSync("pgbouncer", ["--version"], { encoding: "utf8" })

/** The version, such as `PgBouncer 1.18.0`; `undefined` if it is not installed. */
export const pgBouncerVersion = versionCommand.status === 0 ? versionCommand.stdout.split("\n")[0] : undefined

export type PoolMode = "session" | "transaction" | "statement"

/** Starts PgBouncer for the scope, with this number of connections to the server, and returns how to connect to it. */
export const startPgBouncer = Effect.fnUntraced(function*(
  { database, endpoint, password, user }: ConnectionConfig.ConnectionConfig,
  mode: PoolMode,
  size: number
) {
  if (endpoint._tag !== "Tcp" || !Redacted.isRedacted(password)) return yield* Effect.die("PgBouncer wants TCP")
  const port = yield* freePort
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "hyperfect-pgbouncer-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const file = join(directory, "pgbouncer.ini")
  const to = `host=${endpoint.host} port=${endpoint.port} dbname=${database} user=${user}`
  writeFileSync(
    file,
    [
      "[databases]",
      `app = ${to} password='${String(Redacted.value(password))}'`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${port}`,
      "unix_socket_dir =",
      "auth_type = any",
      `pool_mode = ${mode}`,
      `default_pool_size = ${size}`,
      "max_client_conn = 200",
      "server_reset_query = DISCARD ALL",
      "ignore_startup_parameters = extra_float_digits"
    ].join("\n")
  )
  // It refuses to run as root, and the user that it runs as has to be able to read its file.
  chmodSync(directory, 0o755)
  const isRoot = process.getuid?.() === 0
  yield* Effect.acquireRelease(
    Effect.sync(() => spawn("pgbouncer", ["-q", ...isRoot ? ["-u", "nobody"] : [], file], { stdio: "ignore" })),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill("SIGKILL")
        await once(child, "exit")
      })
  )
  const through: ConnectionConfig.ConnectionConfig = {
    endpoint: Endpoint.tcp("127.0.0.1", port),
    user,
    database: "app",
    sslMode: "disable"
  }
  yield* Effect.retry(Effect.scoped(Session.make(through)), Schedule.spaced("20 millis"))
  return through
})
