import { existsSync, readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"

const conditions = ["@hyperfect/source"]
const root = import.meta.dirname

/** Their files count what is open in their process, or start servers once for a module. */
const isolated = ["examples", "node"]
const names = readdirSync(`${root}/packages`).filter((name) => existsSync(`${root}/packages/${name}/test`))

export default defineConfig({
  test: {
    // More than there may be processors: the tests wait for servers more than they compute.
    maxWorkers: 5,
    globalSetup: `${root}/packages/tooling/postgresData.ts`,
    projects: names.map((name) => ({
      root: `${root}/packages/${name}`,
      ssr: { resolve: { conditions, externalConditions: conditions } },
      test: {
        name,
        include: ["test/**/*.test.ts"],
        isolate: isolated.includes(name),
        // Only ever turns a hang into a failure, on however busy a machine.
        testTimeout: 240_000,
        hookTimeout: 240_000
      }
    }))
  }
})
