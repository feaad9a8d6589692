/**
 * Statements: text with parameters, built so that no value ever becomes part of the text.
 *
 * The template {@link sql} turns what is interpolated into parameters; identifiers and other statements compose as
 * fragments. A statement is data: nothing is sent until a client is given it.
 *
 * @since 0.1.0
 */
import type * as Preset from "@hyperfect/values/Preset"
import { dual } from "effect/Function"

const TypeId = "~@hyperfect/client/Statement"

/**
 * A part of a statement: text as it is, or a parameter.
 *
 * @category models
 * @since 0.1.0
 */
export type Segment =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Parameter"; readonly value: unknown }

/**
 * A statement, or a piece of one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statement {
  readonly [TypeId]: typeof TypeId
  /** The parts; `undefined` when the text numbers its parameters itself, so that it cannot be part of another. */
  readonly segments: ReadonlyArray<Segment> | undefined
  /** The text, with `$1`, `$2` ... where the parameters go. */
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
  /** How its rows are to be read, when that is not the client's to say. */
  readonly preset?: Preset.Preset | undefined
}

/**
 * Something that stands for a piece of a statement, such as a table for its name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fragment {
  readonly [fragment]: Statement
}

/**
 * The property under which a value keeps the piece of a statement that it stands for.
 *
 * @category symbols
 * @since 0.1.0
 */
export const fragment = "~@hyperfect/client/Fragment"

/**
 * Whether a value is a {@link Statement}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStatement = (u: unknown): u is Statement => typeof u === "object" && u !== null && TypeId in u

/**
 * Whether a value is a {@link Fragment}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFragment = (u: unknown): u is Fragment =>
  (typeof u === "object" || typeof u === "function") && u !== null && fragment in u

/** What is known of a template for all statements that are made of it. */
interface Template {
  readonly strings: TemplateStringsArray
  /** The text when all that is interpolated are parameters. */
  text?: string
  /** Where it stands in the source. */
  readonly stack?: string
}

class StatementImpl implements Statement {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
  readonly preset: Preset.Preset | undefined
  readonly #template: Template | undefined
  #segments: ReadonlyArray<Segment> | undefined

  /** Without segments it is a template of parameters alone, if it has a template; else it numbers its own parameters. */
  constructor(
    segments: ReadonlyArray<Segment> | undefined,
    text: string,
    parameters: ReadonlyArray<unknown>,
    template?: Template,
    preset?: Preset.Preset
  ) {
    this.text = text
    this.parameters = parameters
    this.preset = preset
    this.#template = template
    this.#segments = segments
  }

  get segments(): ReadonlyArray<Segment> | undefined {
    const template = this.#template
    return this.#segments ??= template && weave(template.strings, this.parameters)
  }

  static templateOf(statement: { readonly text: string }): Template | undefined {
    return statement instanceof StatementImpl ? statement.#template : undefined
  }
}

const templates = new WeakMap<TemplateStringsArray, Template>()

/** What V8 has besides the standard. */
const errors = Error as {
  stackTraceLimit?: number
  readonly captureStackTrace?: (target: object, above: unknown) => void
}

/** The stack is looked at once for each template, not for each statement that is made of it. */
const templateOf = (strings: TemplateStringsArray): Template => {
  let template = templates.get(strings)
  if (template === undefined) {
    template = { strings }
    const limit = errors.stackTraceLimit
    errors.stackTraceLimit = 1
    errors.captureStackTrace?.(template, sql)
    if (limit !== undefined) errors.stackTraceLimit = limit
    templates.set(strings, template)
  }
  return template
}

/**
 * The line of a stack that says where a statement was written.
 *
 * @internal
 */
export const siteOf = (statement: { readonly text: string }): string | undefined =>
  StatementImpl.templateOf(statement)?.stack?.split("\n").find((line) => line.startsWith("    at "))

/**
 * A statement of segments.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSegments = (segments: ReadonlyArray<Segment>): Statement => build(segments)

const build = (segments: ReadonlyArray<Segment>, template?: Template): Statement => {
  let text = ""
  const parameters: Array<unknown> = []
  for (const segment of segments) {
    if (segment._tag === "Text") text += segment.text
    else text += `$${parameters.push(segment.value)}`
  }
  return new StatementImpl(segments, text, parameters, template)
}

/**
 * A statement of text that is used as it is, with the parameters that it calls `$1`, `$2` ...
 *
 * **Gotchas**
 *
 * Whatever is spliced into the text is run: use it for text from your own source only. Its parameters are numbered by
 * position, so such a statement with parameters cannot be part of another; trying throws a `TypeError`.
 *
 * **Example** (Text with a parameter)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const statement = Statement.fromTextUnsafe("select $1 + 1", [41])
 * assert.equal(statement.text, "select $1 + 1")
 * assert.deepEqual(statement.parameters, [41])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromTextUnsafe = (text: string, parameters: ReadonlyArray<unknown> = []): Statement =>
  new StatementImpl(parameters.length === 0 ? [{ _tag: "Text", text }] : undefined, text, parameters)

const segmentsOf = ({ segments }: Statement): ReadonlyArray<Segment> => {
  if (segments === undefined) {
    throw new TypeError("a statement that numbers its own parameters cannot be part of another")
  }
  return segments
}

const toSegments = (value: unknown): ReadonlyArray<Segment> => {
  const statement = isFragment(value) ? value[fragment] : value
  return isStatement(statement) ? segmentsOf(statement) : [{ _tag: "Parameter", value }]
}

/**
 * The template that makes statements.
 *
 * **Details**
 *
 * An interpolated value becomes a parameter. A statement, or something that stands for one such as {@link identifier} or
 * a table, becomes part of the text, its own parameters included.
 *
 * **Example** (Values and pieces)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { identifier, sql } = Statement
 * const recent = sql`seen > ${"2026-01-01"}`
 * const statement = sql`select ${identifier("id")} from users where ${recent} and name = ${"O'Brien"}`
 * assert.equal(statement.text, "select \"id\" from users where seen > $1 and name = $2")
 * assert.deepEqual(statement.parameters, ["2026-01-01", "O'Brien"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const sql = (strings: TemplateStringsArray, ...values: ReadonlyArray<unknown>): Statement => {
  const template = templateOf(strings)
  for (const value of values) {
    if (isStatement(value) || isFragment(value)) return build(weave(strings, values), template)
  }
  const text = template.text ??= strings.reduce((text, next, i) => `${text}$${i}${next}`)
  return new StatementImpl(undefined, text, values, template)
}

const weave = (strings: TemplateStringsArray, values: ReadonlyArray<unknown>): ReadonlyArray<Segment> =>
  strings.flatMap((text, i): ReadonlyArray<Segment> =>
    i < values.length ? [{ _tag: "Text", text }, ...toSegments(values[i])] : [{ _tag: "Text", text }]
  )

/**
 * A name, quoted by the servers' rules so that it means itself whatever is in it; with several, a qualified name.
 *
 * **Gotchas**
 *
 * A quoted name is case-sensitive: `identifier("Users")` is not the table that `users` names. Names with a zero
 * character do not exist; the statement that holds one is refused before it is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const identifier = (...names: ReadonlyArray<string>): Statement =>
  fromSegments([{ _tag: "Text", text: names.map((name) => `"${name.replaceAll("\"", "\"\"")}"`).join(".") }])

/**
 * Statements with a separator between them.
 *
 * **Example** (A list of values)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { join, sql } = Statement
 * const statement = sql`select * from t where a in (${join([1, 2].map((n) => sql`${n}`), ", ")})`
 * assert.equal(statement.text, "select * from t where a in ($1, $2)")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const join = (statements: Iterable<Statement>, separator: string): Statement =>
  fromSegments(
    Array.from(statements).flatMap((statement, i): ReadonlyArray<Segment> =>
      i === 0 ? segmentsOf(statement) : [{ _tag: "Text", text: separator }, ...segmentsOf(statement)]
    )
  )

const comma: Segment = { _tag: "Text", text: ", " }

const separated = (parts: ReadonlyArray<ReadonlyArray<Segment>>): ReadonlyArray<Segment> =>
  parts.flatMap((part, i) => (i === 0 ? part : [comma, ...part]))

/**
 * Values with commas between them, as `in (...)` and the arguments of a function want them.
 *
 * **Gotchas**
 *
 * The text is another one for each number of values, and so is the statement that a server prepares for it. On PostgreSQL
 * `= any(${values})` takes an array of any length as one parameter. An empty list makes `in ()`, which servers refuse.
 *
 * **Example** (A list of values)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { list, sql } = Statement
 * const statement = sql`select * from t where a in (${list([1, 2])})`
 * assert.equal(statement.text, "select * from t where a in ($1, $2)")
 * assert.deepEqual(statement.parameters, [1, 2])
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const list = (values: Iterable<unknown>): Statement => fromSegments(separated(Array.from(values, toSegments)))

type Row = Readonly<Record<string, unknown>>

/**
 * The columns and rows of an INSERT.
 *
 * **Details**
 *
 * The columns are the keys of the first row; each row must have the same ones, else it throws a `TypeError`. A value may
 * be a statement, such as `default`.
 *
 * **Gotchas**
 *
 * A server takes 65,535 parameters at most, Hyper half of that: for many rows there is COPY.
 *
 * **Example** (Two rows)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { insert, sql } = Statement
 * const statement = sql`insert into users ${insert([{ id: 1, name: "Ada" }, { id: 2, name: sql`default` }])}`
 * assert.equal(statement.text, "insert into users (\"id\", \"name\") values ($1, $2), ($3, default)")
 * assert.deepEqual(statement.parameters, [1, "Ada", 2])
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const insert = (rows: Iterable<Row>): Statement => {
  const all = Array.from(rows)
  const columns = Object.keys(all[0] ?? {})
  if (columns.length === 0) throw new TypeError("an INSERT wants at least one row with at least one column")
  const tuples = all.map((row, i) => {
    if (Object.keys(row).length !== columns.length || !columns.every((column) => Object.hasOwn(row, column))) {
      throw new TypeError(`row ${i} has not the columns of the first one`)
    }
    return sql`(${list(columns.map((column) => row[column]))})`
  })
  return sql`(${list(columns.map((column) => identifier(column)))}) values ${list(tuples)}`
}

/**
 * The assignments of an UPDATE.
 *
 * **Example** (Two columns)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { set, sql } = Statement
 * const statement = sql`update users set ${set({ name: "Ada", visits: sql`visits + ${1}` })} where id = ${7}`
 * assert.equal(statement.text, "update users set \"name\" = $1, \"visits\" = visits + $2 where id = $3")
 * assert.deepEqual(statement.parameters, ["Ada", 1, 7])
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const set = (row: Row): Statement => {
  const columns = Object.entries(row)
  if (columns.length === 0) throw new TypeError("an UPDATE wants at least one column")
  return list(columns.map(([column, value]) => sql`${identifier(column)} = ${value}`))
}

/**
 * The statement with a preset that its rows are to be read by, whatever the client's is.
 *
 * **Details**
 *
 * It counts for the statement that is run. A part of another statement does not bring its preset along.
 *
 * **Example** (Plain values, and one column as its text)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { Preset } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const plain = Preset.withColumns(Preset.native, { document: Preset.text })
 * const statement = Statement.withPreset("select id, document from pages", plain)
 * assert.equal(statement.preset, plain)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withPreset: {
  (preset: Preset.Preset): (self: Statement | string) => Statement
  (self: Statement | string, preset: Preset.Preset): Statement
} = dual(2, (self: Statement | string, preset: Preset.Preset): Statement => {
  const statement = typeof self === "string" ? fromTextUnsafe(self) : self
  return new StatementImpl(
    statement.segments,
    statement.text,
    statement.parameters,
    StatementImpl.templateOf(statement),
    preset
  )
})
