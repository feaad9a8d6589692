/** A server that cannot write, and a table that needs it to. */
import { Client } from "@hyperfect/client/Client"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import { Effect, FileSystem } from "effect"
import { join } from "node:path"

/** A hyperd whose files cannot grow beyond a megabyte, as on a full disk. */
export const fullDisk = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-full-" })
  const program = (yield* Effect.scoped(Hyperd.make())).path
  const path = join(directory, "hyperd")
  yield* fs.writeFileString(path, `#!/bin/sh\ntrap "" XFSZ\nulimit -f 2048\nexec "${program}" "$@"\n`, { mode: 0o755 })
  return { path, workingDirectory: directory }
})

/** Makes a table of some megabytes. */
export const fill = Effect.flatMap(Client, (client) =>
  client.simple(`create table filled as
    (select n, n || ' some text ' || random() as s from generate_series(1, 50000) as g(n))`))
