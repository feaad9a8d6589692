/** Runs one test file of a package with additional environment variables, as the scripts for long trials do. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")

/** Runs `packages/<project>/test/<file>` and exits as the test runner does. */
export const runTestFile = (project: string, file: string, env: Readonly<Record<string, string>>): void => {
  const vitest = join(root, "node_modules/vitest/vitest.mjs")
  const test = join(root, "packages", project, "test", file)
  const { status } = spawnSync(
    process.execPath,
    [vitest, "run", "--config", "vitest.workspace.ts", "--project", project, test],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...env } }
  )
  process.exitCode = status ?? 1
}
