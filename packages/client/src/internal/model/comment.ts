/**
 * Comments behind the texts of statements, in the format of the sqlcommenter specification.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/**
 * The names and values of a comment, such as `route` and `/orders`. One that is `undefined` is left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Comment {
  readonly [name: string]: string | number | boolean | undefined
}

/** The comment of one operation, as text to append; empty if there is none. */
export interface StatementComment {
  /** For a text that the server keeps prepared. */
  readonly kept: string
  /** For a text that is sent to be run once, and so may name the trace. */
  readonly once: string
}

/** A text, and its comment if it has one. */
interface Commented {
  readonly text: string
  readonly comment?: StatementComment | undefined
}

const noValues: Comment = {}

/** The values that a fiber adds to its comments; `undefined` for statements of the client's own, which have none. */
export const CurrentComment: Context.Reference<Comment | undefined> = Context.Reference<Comment | undefined>(
  "@hyperfect/client/CurrentComment",
  { defaultValue: () => noValues }
)

/**
 * Encodes a name or value so that it can end neither its quotes nor the comment. Quotes would be the end of a literal
 * that a text leaves open, and two hyphens behind one would hide the rest, so that a wrong text became a valid one.
 */
const encode = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll("'", "%27").replaceAll("*", "%2A").replaceAll("--", "%2D%2D")

/** Formats a comment, on a line of its own, since the text before it may end with a line comment. */
export const format = (comment: Comment): string => {
  const pairs = Object.keys(comment).toSorted().flatMap((name) => {
    const value = comment[name]
    return value === undefined ? [] : [`${encode(name)}='${encode(String(value))}'`]
  })
  return pairs.length === 0 ? "" : `\n/*${pairs.join(",")}*/`
}

/**
 * True if a text can have a comment: it is not empty, and does not end in an open comment. On Hyper, whose comments do
 * not nest, another one would close that, and make a wrong text a valid one (H-67).
 */
export const canComment = (text: string): boolean => {
  const opening = text.lastIndexOf("/*")
  return text !== "" && (opening < 0 || text.includes("*/", opening + 2))
}

/** Returns the comment of an operation that a fiber is about to run. */
export type Commenter = (fiber: Fiber.Fiber<unknown, unknown>) => StatementComment | undefined

/** Makes the commenter of a session; `undefined` if its statements have no comments. */
export const makeCommenter = (values: Comment | undefined, hasTraces = false): Commenter | undefined => {
  if (values === undefined && !hasTraces) return undefined
  /** A cache. Weak, since a program may make other values for each request that it serves. */
  const known = new WeakMap<Comment, StatementComment>()
  return (fiber) => {
    const current = fiber.getRef(CurrentComment)
    if (current === undefined) return undefined
    let comment = known.get(current)
    if (comment === undefined) {
      const kept = format({ ...values, ...current })
      known.set(current, comment = { kept, once: kept })
    }
    const { span } = fiber.cache
    if (!hasTraces || span?.sampled !== true) return comment
    const traceparent = `00-${span.traceId.padStart(32, "0")}-${span.spanId}-01`
    return { kept: comment.kept, once: format({ traceparent, ...values, ...current }) }
  }
}

/** Runs a command of the client's own without a comment. */
export const withoutComment: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.provideService(
  CurrentComment,
  undefined
)

/** The text to send for a statement that the server keeps prepared. */
export const keptText = ({ comment, text }: Commented): string => comment === undefined ? text : text + comment.kept

/** The text to send for a statement that is run once. */
export const sentText = ({ comment, text }: Commented): string => comment === undefined ? text : text + comment.once
