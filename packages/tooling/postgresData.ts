/** A folder for the data of PostgreSQL that the servers of a test run copy, in place of a run of `initdb` for each. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const name = "HYPERFECT_POSTGRES_DATA"

/** Makes the folder before the tests. */
export const setup = (): void => {
  process.env[name] = mkdtempSync(join(tmpdir(), "hyperfect-data-"))
}

/** Removes it after them. */
export const teardown = (): void => rmSync(process.env[name]!, { recursive: true, force: true })
