/**
 * Effect's statements, without the work for spans that nothing records (M-22).
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Fiber from "effect/Fiber"
import { hasProperty } from "effect/Predicate"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import type * as Stream from "effect/Stream"
import type { TransformRows } from "./connection.ts"

/** The parts that all statements of a client share. */
interface Shared {
  /** Effect's own client. */
  readonly sql: SqlClient.SqlClient
  readonly connection: Connection
  readonly transformRows: TransformRows
}

type Rows<A> = Effect.Effect<ReadonlyArray<A>, SqlError>

/** A cache. A template literal lives as long as its code. */
const texts = new WeakMap<TemplateStringsArray, string>()

/** Returns the text of a template whose values are all parameters. */
const textOf = (template: TemplateStringsArray): string => {
  let text = texts.get(template)
  if (text === undefined) {
    // The type does not say so: JavaScript gives `undefined` for such a part.
    if (template.includes(undefined as never)) throw new TypeError("the template has an invalid escape sequence")
    texts.set(template, text = template.reduce((text, next, i) => `${text}$${i}${next}`))
  }
  return text
}

/** True if a value is no piece of a statement: those of `effect/sql` have a tag, or are fragments. */
const isParameter = (value: unknown): boolean => !hasProperty(value, "_tag") && !Statement.isFragment(value)

/** Effects with the mark of a fragment. The prototype of `Effectable` passes the fiber, which its class does not. */
const Base = (() => {
  const Base = function() {}
  Base.prototype = Object.assign(
    Effectable.Prototype<DirectStatement<unknown>>({
      label: "Statement",
      evaluate(fiber) {
        return this.rows(fiber)
      }
    }),
    Statement.fragment([])
  )
  return Base as unknown as new<A>() => Rows<A> & Omit<Statement.Fragment, "segments">
})()

/** A statement that runs as Effect's own, but directly where nothing would record its span. */
class DirectStatement<A> extends Base<A> implements Statement.Statement<A> {
  private readonly shared: Shared
  private readonly source: TemplateStringsArray | string
  private readonly parameters: ReadonlyArray<unknown>
  private made: Statement.Statement<A> | undefined

  constructor(shared: Shared, source: TemplateStringsArray | string, parameters: ReadonlyArray<unknown>) {
    super()
    this.shared = shared
    this.source = source
    this.parameters = parameters
    this.made = undefined
  }

  rows(fiber: Fiber.Fiber<unknown, unknown>): Rows<A> {
    const { tracer, tracerEnabled } = fiber.cache
    if ((tracer !== undefined && tracerEnabled) || fiber.getRef(Statement.CurrentTransformer) !== undefined) {
      return this.own
    }
    const [text, parameters] = this.compile()
    const { connection, sql, transformRows } = this.shared
    const transaction = Context.getOrUndefined(fiber.context, sql.transactionService)
    return (transaction === undefined ? connection : transaction[0]).execute(text, parameters, transformRows)
  }

  /** Effect's own statement. */
  private get own(): Statement.Statement<A> {
    const { parameters, shared: { sql }, source } = this
    return this.made ??= (
      typeof source === "string" ? sql.unsafe(source, parameters) : sql(source, ...parameters)
    ) as Statement.Statement<A>
  }

  compile(withoutTransform?: boolean): readonly [sql: string, params: ReadonlyArray<unknown>] {
    const { parameters, source } = this
    if (typeof source === "string") return [source, parameters]
    return parameters.every(isParameter) ? [textOf(source), parameters] : this.own.compile(withoutTransform)
  }

  get segments(): ReadonlyArray<Statement.Segment> {
    return this.own.segments
  }

  get raw(): Effect.Effect<unknown, SqlError> {
    return this.own.raw
  }

  get withoutTransform(): Rows<A> {
    return this.own.withoutTransform
  }

  get stream(): Stream.Stream<A, SqlError> {
    return this.own.stream
  }

  get values(): Rows<ReadonlyArray<unknown>> {
    return this.own.values
  }

  get valuesUnprepared(): Rows<ReadonlyArray<unknown>> {
    return this.own.valuesUnprepared
  }

  get unprepared(): Rows<A> {
    return this.own.unprepared
  }

  override toJSON(): unknown {
    return this.own.toJSON()
  }
}

/** Returns a copy of a client whose statements run directly where nothing would record their spans. */
export const withDirectStatements = (shared: Shared): SqlClient.SqlClient => {
  const { sql } = shared
  const tag = (strings: TemplateStringsArray | string, ...parameters: ReadonlyArray<unknown>) =>
    Array.isArray(strings) && "raw" in strings
      ? new DirectStatement(shared, strings as TemplateStringsArray, parameters)
      : sql(strings as string)
  const self = Object.assign(tag, sql, {
    unsafe: (text: string, parameters: ReadonlyArray<unknown> = []) => new DirectStatement(shared, text, parameters)
  }) as SqlClient.SqlClient
  return Object.assign(self, { safe: self })
}
