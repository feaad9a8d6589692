/** Words for what a script expects and what came instead. */
import type * as Frontend from "@hyperfect/protocol/Frontend"
import type { MessagePattern, On, Step } from "./script.ts"

const limit = 200

const cut = (
  text: string
): string => (text.length > limit ? `${text.slice(0, limit)}... (${text.length} characters)` : text)

const bytes = (value: Uint8Array): string => {
  const shown = Array.from(value.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return value.length > 32 ? `<${shown} ... (${value.length} bytes)>` : `<${shown}>`
}

/** A field's value or pattern. */
const show = (value: unknown): string => {
  if (value instanceof Uint8Array) return bytes(value)
  if (value instanceof RegExp) return String(value)
  if (typeof value === "function") return "a value that fits the predicate"
  if (typeof value === "string") return JSON.stringify(cut(value))
  if (Array.isArray(value)) return cut(`[${value.map(show).join(", ")}]`)
  if (typeof value === "object" && value !== null) {
    return cut(`{ ${Object.entries(value).map(([name, value]) => `${name}: ${show(value)}`).join(", ")} }`)
  }
  return String(value)
}

const fieldsOf = (message: object): ReadonlyArray<readonly [name: string, value: unknown]> =>
  Object.entries(message).filter(([name]) => name !== "_tag")

/** A message in one line. */
export const line = (message: { readonly _tag: string }): string => {
  const fields = fieldsOf(message).map(([name, value]) => `${name}: ${show(value)}`)
  return [message._tag, ...fields].join(" ")
}

const isSame = (left: unknown, right: unknown): boolean => {
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    return left.length === right.length && left.every((byte, i) => byte === right[i])
  }
  if (typeof left === "object" && typeof right === "object" && left !== null && right !== null) {
    const names = Object.keys(left)
    return Array.isArray(left) === Array.isArray(right) &&
      names.length === Object.keys(right).length &&
      names.every((name) =>
        Object.hasOwn(right, name) &&
        isSame((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name])
      )
  }
  return Object.is(left, right)
}

const fits = (pattern: unknown, value: unknown): boolean =>
  typeof pattern === "function"
    ? pattern(value) === true
    : pattern instanceof RegExp
    ? typeof value === "string" && value.search(pattern) >= 0
    : isSame(pattern, value)

export const matches = (pattern: MessagePattern, message: Frontend.Message): boolean =>
  pattern._tag === message._tag &&
  fieldsOf(pattern).every(([name, wanted]) =>
    wanted === undefined || fits(wanted, (message as Readonly<Record<string, unknown>>)[name])
  )

/** Field by field: what was expected (`-`), what came instead (`+`), and what they have in common. */
export const compare = (
  pattern: { readonly _tag: string },
  message: { readonly _tag: string }
): ReadonlyArray<string> => {
  const wanted = new Map(fieldsOf(pattern))
  const received = fieldsOf(message)
  if (pattern._tag !== message._tag) {
    return [
      `- ${pattern._tag}`,
      ...Array.from(wanted, ([name, value]) => `-   ${name}: ${show(value)}`),
      `+ ${message._tag}`,
      ...received.map(([name, value]) => `+   ${name}: ${show(value)}`)
    ]
  }
  return [
    `  ${message._tag}`,
    ...received.flatMap(([name, value]) => {
      const pattern = wanted.get(name)
      const came = `${name}: ${show(value)}`
      return pattern === undefined || fits(pattern, value)
        ? [`    ${came}`]
        : [`-   ${name}: ${show(pattern)}`, `+   ${came}`]
    })
  ]
}

/** What a step waits for or does. */
export const describe = (step: Step): string => {
  switch (step._tag) {
    case "Accept":
      return "accept a client"
    case "Expect":
      return `expect ${line(step.pattern)}`
    case "Send":
      return `send ${step.messages.map(({ _tag }) => _tag).join(", ")}`
    case "SendBytes":
      return `send ${bytes(step.bytes)}`
    case "On":
      return `answer the query ${show(step.query)}`
    case "Repeat":
      return `answer any of the queries ${step.rules.map(({ query }) => show(query)).join(", ")}`
    case "Disconnect":
      return "disconnect"
    case "Stall":
      return "stall"
  }
}

/** A query that no rule is for. */
export const compareQuery = (
  rules: ReadonlyArray<On>,
  message: Frontend.Message,
  text: string | undefined
): ReadonlyArray<string> => [
  ...rules.map(({ query }) => `- a query: ${show(query)}`),
  `+ ${message._tag}`,
  ...(text === undefined || message._tag === "Query" || message._tag === "Parse"
    ? []
    : [`+   of the query: ${show(text)}`]),
  ...fieldsOf(message).map(([name, value]) => `+   ${name}: ${show(value)}`)
]
