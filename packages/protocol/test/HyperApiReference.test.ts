import { assert, describe, it } from "@effect/vitest"
import * as Auth from "@hyperfect/auth"
import * as Protocol from "@hyperfect/protocol"
import * as DataRow from "@hyperfect/protocol/backend/DataRow"
import * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as Values from "@hyperfect/values"
import { readFileSync } from "node:fs"
import { allNames, flows, formats, structs, tags, variants } from "./hyperApiNames.ts"

const heading = "## From the reference backend module"
const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8")
const section = readme.slice(readme.indexOf(heading)).split(/\n## /)[0]!

/** Rows of the table: a name of the reference, and the names in backticks in the other column. */
const rows = section.split("\n").flatMap((line) => {
  const cells = /^\|(.+)\|(.+)\|$/.exec(line)
  const name = /`(?:Message::)?([\w-]+)`/.exec(cells?.[1] ?? "")
  return name === null
    ? []
    : [{ name: name[1]!, there: cells![1]!, here: Array.from(cells![2]!.matchAll(/`([^`]+)`/g), (match) => match[1]!) }]
})

const modules: Record<string, object> = {
  ...Protocol,
  ...Auth,
  ...Values,
  "backend/DataRow": DataRow,
  "backend/RowDescription": RowDescription
}

/** Returns the value at a path such as `Backend.DataRow`, or `undefined`. */
const resolve = (path: string): unknown =>
  path.split(".").reduce<unknown>(
    (value, key) => value === undefined ? undefined : (value as Record<string, unknown>)[key],
    modules
  )

describe("Table of hyperdb-api-core names in README.md", () => {
  it("exists", () => {
    assert.include(readme, heading)
    assert.deepStrictEqual([variants.length, structs.length, Object.keys(tags).length], [26, 25, 21])
    assert.deepStrictEqual([flows.length, formats.length], [4, 1])
  })

  it("has one row for each name, and no other rows", () => {
    assert.deepStrictEqual(rows.map(({ name }) => name).toSorted(), allNames.toSorted())
  })

  for (const { here, name, there } of rows) {
    it(`maps ${name} to an existing export`, () => {
      const paths = here.filter((path) => path.includes("."))
      assert.isNotEmpty(paths)
      for (const path of paths) assert.isDefined(resolve(path), path)
      // Words beside a path are fields of its message.
      for (const field of here.filter((path) => !path.includes("."))) {
        const message = resolve(paths[0]!) as Protocol.Wire.AnyMessage
        assert.include(message.definition.layout.fields.map((entry) => entry.name), field)
      }
      if (Object.hasOwn(tags, name)) {
        const tag = tags[name as keyof typeof tags]
        assert.strictEqual(resolve(here[0]!), tag)
        assert.include(there, `'${tag}'`)
      }
      if (there.includes("Message::")) assert.include(Protocol.Backend.messages, resolve(here[0]!))
    })
  }
})
