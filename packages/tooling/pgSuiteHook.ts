/** Loaded before a test file of node-postgres: its `lib` is `@hyperfect/pg`, or `pg` itself with HYPERFECT_PG_SUITE=pg. */
import { createRequire, registerHooks } from "node:module"
import { fileURLToPath } from "node:url"

const isIndex = /packages\/(?:pg\/lib\/index|pg-pool\/index)\.js$/

/** The modules that the tests require, as those of a driver. */
const source = `
const { Pg } = require(${JSON.stringify(fileURLToPath(import.meta.resolve("@hyperfect/pg")))})
module.exports = { ...Pg, defaults: {} }
`

if (process.env["HYPERFECT_PG_SUITE"] !== "pg") {
  registerHooks({
    load: (url, context, next) =>
      isIndex.test(url)
        ? {
          format: "commonjs",
          source: url.includes("pg-pool") ? `${source}module.exports = Pg.Pool` : source,
          shortCircuit: true
        }
        : next(url, context)
  })
} else {
  createRequire(import.meta.url)("pg")
}
