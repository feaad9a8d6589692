/** Temporary directories of test files, in which only their own servers put files. */
import { afterAll, beforeAll } from "@effect/vitest"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Makes a directory the one for temporary files while a test file runs, so that files of other tests are not counted. */
export const useOwnTemporary = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "hyperfect-test-"))
  chmodSync(directory, 0o1777)
  const before = process.env["TMPDIR"]
  beforeAll(() => {
    process.env["TMPDIR"] = directory
  })
  afterAll(() => {
    if (before === undefined) delete process.env["TMPDIR"]
    else process.env["TMPDIR"] = before
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}
