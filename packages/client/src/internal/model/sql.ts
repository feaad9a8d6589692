/**
 * The template tag of statements, and how statements become parts of others.
 *
 * @internal
 */
import type * as Preset from "@hyperfect/values/Preset"
import * as ValueError from "@hyperfect/values/ValueError"
import { dual } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { callerOf, captureStack, noteCaller } from "./callers.ts"
import type { StatementComment } from "./comment.ts"

/** A symbol, so that no object made by `JSON.parse` can pass for a statement. */
const TypeId: unique symbol = Symbol.for("@hyperfect/client/Statement")

/**
 * A part of a statement: literal text, or a parameter.
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
 * **Details**
 *
 * Only values made by this module are statements: an object of the same shape, for example from JSON, becomes a
 * parameter in the template {@link sql}, and is refused where a statement is required. When printed it shows its text
 * and the number of its parameters, not their values.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statement extends Pipeable {
  readonly [TypeId]: typeof TypeId
  /**
   * The parts; `undefined` if the text numbers its parameters itself, in which case it cannot be part of another
   * statement.
   */
  readonly segments: ReadonlyArray<Segment> | undefined
  /** The text, with `$1`, `$2` ... for the parameters. */
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
  /** The preset for decoding its rows, in place of the client's. */
  readonly preset?: Preset.Preset | undefined
  /** True if its session must not keep it prepared; see {@link unprepared}. */
  readonly isUnprepared?: boolean | undefined
}

/**
 * A value that stands for a piece of a statement, such as a table for its name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fragment {
  readonly [fragment]: Statement
}

/**
 * The property that holds the piece of a statement which a value stands for.
 *
 * @category symbols
 * @since 0.1.0
 */
export const fragment: unique symbol = Symbol.for("@hyperfect/client/Fragment")

/**
 * True if a value is a {@link Statement}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStatement = (u: unknown): u is Statement => typeof u === "object" && u !== null && TypeId in u

/**
 * True if a value is a {@link Fragment}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFragment = (u: unknown): u is Fragment =>
  ((typeof u === "object" && u !== null) || typeof u === "function") && fragment in u

/** Data of a template that all statements made from it share. */
interface Template {
  readonly strings: TemplateStringsArray
  /** The text if all interpolated values are parameters. */
  text?: string
  /** The position in the source. */
  readonly stack?: string
}

class StatementImpl implements Statement {
  readonly text: string
  readonly parameters: ReadonlyArray<unknown>
  readonly preset: Preset.Preset | undefined
  readonly isUnprepared: boolean | undefined
  readonly comment: StatementComment | undefined
  readonly #template: Template | undefined
  #segments: ReadonlyArray<Segment> | undefined

  /**
   * Without segments, it is made from a template with parameters only, or, if it has no template, numbers its own
   * parameters.
   */
  constructor(
    segments: ReadonlyArray<Segment> | undefined,
    text: string,
    parameters: ReadonlyArray<unknown>,
    template?: Template,
    preset?: Preset.Preset,
    isUnprepared?: boolean,
    comment?: StatementComment
  ) {
    this.text = text
    this.parameters = parameters
    this.preset = preset
    this.isUnprepared = isUnprepared
    this.comment = comment
    this.#template = template
    this.#segments = segments
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  get segments(): ReadonlyArray<Segment> | undefined {
    const template = this.#template
    return this.#segments ??= template && interleave(template.strings, this.parameters)
  }

  /** Parameters may be secrets: only their number is shown. */
  toJSON(): unknown {
    return { _id: "Statement", text: this.text, parameters: this.parameters.length }
  }

  [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }

  static templateOf(statement: { readonly text: string }): Template | undefined {
    return statement instanceof StatementImpl ? statement.#template : undefined
  }

  /** Returns the segments of a statement, if they have been made. */
  static segmentsOf(statement: Statement): ReadonlyArray<Segment> | undefined {
    return statement instanceof StatementImpl ? statement.#segments : statement.segments
  }
}

/** A cache. A template literal lives as long as its code, which may have been evaluated at run time. */
const templates = new WeakMap<TemplateStringsArray, Template>()

/** The stack is captured once per template, not for each statement made from it. */
const templateOf = (strings: TemplateStringsArray): Template => {
  let template = templates.get(strings)
  if (template === undefined) {
    if (!Array.isArray(strings)) {
      throw new TypeError("sql is a template tag: write sql`...`, or use Statement.fromTextUnsafe for a string")
    }
    template = { strings }
    captureStack(template, sql, 1)
    templates.set(strings, template)
  }
  return template
}

/**
 * Returns the line of a stack trace that shows where a statement was written.
 *
 * @internal
 */
export const callSite = (statement: { readonly text: string }): string | undefined =>
  StatementImpl.templateOf(statement)?.stack?.split("\n").find((line) => line.startsWith("    at ")) ??
    callerOf(statement.text)

/**
 * Makes a statement from segments, whose text is used verbatim.
 *
 * **Gotchas**
 *
 * The text of a segment is run as it is: use it for text from your own source only.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSegmentsUnsafe = (segments: ReadonlyArray<Segment>): Statement => build(segments)

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
 * Makes a piece of a statement from text, without noting the place: no program runs it alone, and it may be a secret.
 *
 * @internal
 */
export const fromText = (
  text: string,
  parameters: ReadonlyArray<unknown> = [],
  preset?: Preset.Preset
): Statement =>
  new StatementImpl(parameters.length === 0 ? [{ _tag: "Text", text }] : undefined, text, parameters, undefined, preset)

/**
 * Makes a statement from text that is used verbatim, with the parameters that it calls `$1`, `$2` ... and, if given, the
 * preset for decoding its rows.
 *
 * **Gotchas**
 *
 * Anything spliced into the text is run: use it for text from your own source only. Parameters are numbered by
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
export const fromTextUnsafe = (
  text: string,
  parameters: ReadonlyArray<unknown> = [],
  preset?: Preset.Preset
): Statement => {
  noteCaller(text)
  return fromText(text, parameters, preset)
}

const segmentsOf = ({ segments }: Statement): ReadonlyArray<Segment> => {
  if (segments === undefined) {
    throw new TypeError("a statement that numbers its own parameters cannot be part of another")
  }
  return segments
}

/** Returns the statement that a value is or stands for. */
const statementOf = (value: unknown): Statement | undefined => {
  const statement = isFragment(value) ? value[fragment] : value
  return isStatement(statement) ? statement : undefined
}

const toSegments = (value: unknown): ReadonlyArray<Segment> => {
  const statement = statementOf(value)
  return statement === undefined ? [{ _tag: "Parameter", value }] : segmentsOf(statement)
}

const pieceOf = (value: unknown): ReadonlyArray<Segment> => segmentsOf(fromUnknown(value))

/**
 * Returns the statement that a value is or stands for. Throws a `TypeError` for any other value, such as an object made
 * by `JSON.parse` that looks like a statement.
 *
 * @internal
 */
export const fromUnknown = (value: unknown): Statement => {
  const statement = statementOf(value)
  if (statement === undefined) throw new TypeError(`wanted a statement, found ${ValueError.kind(value)}`)
  return statement
}

/**
 * The template tag that makes statements.
 *
 * **Details**
 *
 * An interpolated value becomes a parameter. A statement, or a value that stands for one such as {@link identifier} or
 * a table, becomes part of the text, including its parameters.
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
    if (isStatement(value) || isFragment(value)) return build(interleave(strings, values), template)
  }
  const text = template.text ??= strings.reduce((text, next, i) => `${text}$${i}${next}`)
  return new StatementImpl(undefined, text, values, template)
}

const interleave = (strings: TemplateStringsArray, values: ReadonlyArray<unknown>): ReadonlyArray<Segment> =>
  strings.flatMap((text, i): ReadonlyArray<Segment> =>
    i < values.length ? [{ _tag: "Text", text }, ...toSegments(values[i])] : [{ _tag: "Text", text }]
  )

/**
 * Quotes a name by the servers' rules, so that it is taken literally; several names form a qualified name.
 *
 * **Gotchas**
 *
 * A quoted name is case-sensitive: `identifier("Users")` is not the table `users`. A name with a zero character is
 * invalid, and a statement with one is refused before it is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const identifier = (...names: ReadonlyArray<string>): Statement =>
  fromText(names.map((name) => `"${name.replaceAll("\"", "\"\"")}"`).join("."))

/**
 * Joins statements with a separator, which is a statement too.
 *
 * **Example** (A list of values)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { join, sql } = Statement
 * const statement = sql`select * from t where ${join([sql`a = ${1}`, sql`b = ${2}`], sql` and `)}`
 * assert.equal(statement.text, "select * from t where a = $1 and b = $2")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const join: {
  (separator: Statement | Fragment): (self: Iterable<Statement | Fragment>) => Statement
  (self: Iterable<Statement | Fragment>, separator: Statement | Fragment): Statement
} = dual(
  2,
  (self: Iterable<Statement | Fragment>, separator: Statement | Fragment): Statement =>
    build(separated([...self].map(pieceOf), pieceOf(separator)))
)

const separated = (
  parts: ReadonlyArray<ReadonlyArray<Segment>>,
  separator: ReadonlyArray<Segment>
): ReadonlyArray<Segment> => parts.flatMap((part, i) => (i === 0 ? part : [...separator, ...part]))

const comma: ReadonlyArray<Segment> = [{ _tag: "Text", text: ", " }]

/**
 * Joins values with commas, for `in (...)` and the arguments of a function.
 *
 * **Gotchas**
 *
 * Each number of values makes another text, which a server prepares separately. On PostgreSQL `= any(${values})` takes
 * an array of any length as one parameter. An empty list makes `in ()`, which servers refuse. On Hyper a statement has at
 * most 32,767 parameters, and is slow from thousands on: insert many keys into a temporary table, and use `in (select
 * ...)`.
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
export const list = (values: Iterable<unknown>): Statement => build(separated([...values].map(toSegments), comma))

/**
 * Returns a statement with another preset or a comment, or that is not kept prepared.
 *
 * @internal
 */
export const derived = (
  self: Statement | string,
  changes: { readonly preset?: Preset.Preset; readonly isUnprepared?: true; readonly comment?: StatementComment }
): Statement => {
  const statement = typeof self === "string" ? fromTextUnsafe(self) : self
  const { comment, isUnprepared = statement.isUnprepared, preset = statement.preset } = changes
  const { parameters, text } = statement
  const segments = StatementImpl.segmentsOf(statement)
  const template = StatementImpl.templateOf(statement)
  return new StatementImpl(segments, text, parameters, template, preset, isUnprepared, comment)
}
