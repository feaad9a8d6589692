/** The reference page of every message, generated from their declarations. */
import { Backend, Frontend, type Layout, Replication, type Wire } from "@hyperfect/protocol"

interface Row {
  readonly path: string
  readonly text: string
}

const quoted = (characters: ReadonlyArray<string>) => characters.map((character) => `\`${character}\``).join(", ")

/** Returns one row for a value, and one for each nested field of a repeated one. */
const rows = (path: string, layout: Layout.Layout): ReadonlyArray<Row> => {
  switch (layout._tag) {
    case "Int":
      return [{ path, text: layout.type }]
    case "Char":
      return [{ path, text: layout.allowed === undefined ? "one character" : `one of ${quoted(layout.allowed)}` }]
    case "CString": {
      const hidden = layout.secret === undefined
        ? ""
        : layout.secret === true
        ? "; hidden in traces"
        : `; hidden in traces when \`${layout.secret.field}\` is ${quoted(layout.secret.in)}`
      return [{ path, text: `text, ends with a zero byte${hidden}` }]
    }
    case "Bytes":
      return [{ path, text: `${layout.length} bytes` }]
    case "Rest":
      return [{
        path,
        text: layout.maximum === Infinity
          ? "all bytes that are left"
          : `all bytes that are left, ${layout.minimum} to ${layout.maximum}`
      }]
    case "Nullable":
      return [{ path, text: "Int32 length and that many bytes, or -1 for `null`" }]
    case "Counted":
      return [{ path, text: `${layout.count.type} count, and that many:` }, ...rows(`${path}[]`, layout.item)]
    case "Terminated":
      return [{ path, text: "any number, then a zero byte:" }, ...rows(`${path}[]`, layout.item)]
    case "Struct":
      return layout.fields.flatMap((field) => rows(path === "" ? field.name : `${path}.${field.name}`, field.layout))
  }
}

const header = (definition: Wire.Definition): string => {
  const by = { backend: "backend", frontend: "frontend", both: "both" }[definition.from]
  const parts = [
    definition.from === "both" ? "sent by both" : `sent by the ${by}`,
    definition.tag === undefined ? "no tag" : `tag \`${definition.tag}\``,
    ...definition.code === undefined ? [] : [`code ${definition.code}`],
    ...definition.carriedBy === undefined ? [] : [`inside ${definition.carriedBy}, without a length`],
    `at most ${definition.limit.toLocaleString("en-US")} bytes`
  ]
  return parts.join(", ") + "."
}

/** Formats a table whose columns are as wide as their widest cell, as the formatter does. */
export const tableOf = (cells: ReadonlyArray<ReadonlyArray<string>>): string => {
  const [first, ...rest] = cells
  const widths = first!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(first!), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n")
}

const section = ({ definition }: { readonly definition: Wire.Definition }): string => {
  const fields = rows("", definition.layout)
  const table = fields.length === 0
    ? "No fields."
    : tableOf([["field", "on the wire"], ...fields.map(({ path, text }) => [`\`${path}\``, text] as const)])
  return `### ${definition.name}\n\n${header(definition)}\n\n${table}\n`
}

const sections = (messages: ReadonlyArray<{ readonly definition: Wire.Definition }>): string =>
  messages.map(section).join("\n")

/** Renders the page as Markdown. */
export const render = (): string =>
  `# Messages

Every message that this package reads and writes, in the order of the bytes. Written by
packages/tooling/generate-pages.ts from the declarations in src/backend, src/frontend and src/replication.

A message is its tag (one byte), its length (Int32, which counts itself and all that follows, but not the tag), its code
if it has one (Int32), and its fields. Integers are big-endian. A limit is for what the length says. Messages that may be
long can be limited further with the option \`longLimit\`.

## Backend

${sections(Backend.messages)}
## Frontend

${sections(Frontend.messages)}
## Replication

${sections(Replication.messages)}`
