import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const page = readFileSync(`${root}packages/docs/hyper-support.md`, "utf8")

const rows = page.split("\n").filter((line) => /^\| (?!capability|-)/.test(line)).map((line) => {
  const [name = "", status = "", here = "", tests = ""] = line.slice(1, -1).split("|").map((cell) => cell.trim())
  return { name, status, here, tests: [...tests.matchAll(/`([^`]+\.ts)`: "([^"]+)"/g)], cell: tests }
})

/** True if the text declares a test or a suite of the title, in any quotes. */
const declares = (text: string, title: string): boolean =>
  ["\"", "'", "`"].some((quote) => text.includes(`${quote}${title}${quote}`))

describe("the support of Hyper", () => {
  it("has every capability of both clients, each once", () => {
    assert.isAbove(rows.length, 70)
    for (const heading of ["## The client for Rust", "## The binding for Node"]) {
      const section = page.slice(page.indexOf(heading)).split("\n## ")[1] ?? page.slice(page.indexOf(heading))
      const names = rows.map(({ name }) => name).filter((name) => section.includes(`| ${name} `))
      assert.strictEqual(new Set(names).size, names.length, heading)
    }
  })

  it("is decided in every row: works, with a test that exists, or not, with a reason", () => {
    const open = rows.flatMap(({ cell, here, name, status, tests }) => {
      if (status === "not") return here.length > 40 && cell === "-" ? [] : [`${name}: no reason`]
      if (status !== "works" || tests.length === 0) return [`${name}: ${status}, without a test`]
      return tests.flatMap(([, file = "", title = ""]) => {
        const path = `${root}${file}`
        return existsSync(path) && declares(readFileSync(path, "utf8"), title) ? [] : [`${name}: ${file}: ${title}`]
      })
    })
    assert.deepStrictEqual(open, [])
  })

  it("has a test by name for each fault that was found", () => {
    const tests = globSync(`${root}packages/*/test/*.live.test.ts`).map((file) => readFileSync(file, "utf8")).join("\n")
    const ids = Array.from({ length: 12 }, (_, i) => `H${i + 1}`)
    assert.deepStrictEqual(ids.filter((id) => !new RegExp(`["'\`]${id}: `).test(tests)), [])
  })
})
