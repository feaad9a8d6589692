/**
 * SQL statements with parameters, built so that no value becomes part of the text.
 *
 * The template {@link sql} turns interpolated values into parameters; identifiers and other statements compose as
 * fragments. A statement is plain data: a client runs it.
 *
 * @since 0.1.0
 */
import * as Literal from "@hyperfect/values/Literal"
import type * as Preset from "@hyperfect/values/Preset"
import * as ValueError from "@hyperfect/values/ValueError"
import { dual } from "effect/Function"
import { derived, fromText, type Statement } from "./internal/model/sql.ts"

export { type ColumnOptions, insert, set, unnest } from "./internal/model/rowFragments.ts"
export {
  type Fragment,
  fragment,
  fromSegmentsUnsafe,
  fromTextUnsafe,
  identifier,
  isFragment,
  isStatement,
  join,
  list,
  type Segment,
  sql,
  type Statement
} from "./internal/model/sql.ts"

/**
 * Writes a value into the text, for statements that take no parameters: `COPY` of a query, `CREATE ROLE`, `SET`.
 *
 * **When to use**
 *
 * Use only where a parameter is not allowed. Otherwise use the template {@link sql}, which sends values separately, so
 * that a server can prepare the statement once for all of them.
 *
 * **Details**
 *
 * The text denotes the value independently of the server's settings, including `standard_conforming_strings`. Numbers,
 * booleans and `null` are written directly, arrays as `ARRAY[...]`; strings, bytes, dates, timestamps and all other
 * values that can be a parameter as quoted text that the server parses; see `Literal.format`. Throws a `ValueError` for
 * values that cannot be sent, such as a string with U+0000.
 *
 * **Gotchas**
 *
 * The value is part of the text, and so appears in server logs and in monitoring.
 *
 * **Example** (A role and its password)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { identifier, literal, sql } = Statement
 * const statement = sql`create role ${identifier("app")} password ${literal("it's")} valid until ${literal(null)}`
 * assert.equal(statement.text, `create role "app" password 'it''s' valid until NULL`)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const literal = (value: unknown): Statement => {
  try {
    return fromText(Literal.format(value))
  } catch (thrown) {
    throw ValueError.fromThrown(thrown)
  }
}

/**
 * Returns the statement with a preset for decoding its rows, in place of the client's.
 *
 * **Details**
 *
 * Only the preset of the statement that is run counts, not those of its parts.
 *
 * **Example** (Plain values, and one column as its text)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { Preset } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const plain = Preset.withColumns(Preset.native, { document: Preset.text })
 * const statement = Statement.fromTextUnsafe("select id, document from pages").pipe(Statement.withPreset(plain))
 * assert.equal(statement.preset, plain)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withPreset: {
  (preset: Preset.Preset): (self: Statement | string) => Statement
  (self: Statement | string, preset: Preset.Preset): Statement
} = dual(2, (self: Statement | string, preset: Preset.Preset): Statement => derived(self, { preset }))

/**
 * Returns a statement that is run without being kept prepared on the server.
 *
 * **When to use**
 *
 * Use for texts that are run once, such as migrations and texts with values in them, so that they evict no others.
 *
 * **Details**
 *
 * The statement takes one round trip and its values arrive as text. It has no effect on Hyper, which keeps none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const unprepared = (self: Statement | string): Statement => derived(self, { isUnprepared: true })
