/** Formats the difference between the expected and the received messages of a script. */
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Equal from "effect/Equal"
import type { MessagePattern, On, Step } from "./steps.ts"

const maxLength = 200

const truncate = (
  text: string
): string => (text.length > maxLength ? `${text.slice(0, maxLength)}... (${text.length} characters)` : text)

const formatBytes = (value: Uint8Array): string => {
  const shown = Array.from(value.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return value.length > 32 ? `<${shown} ... (${value.length} bytes)>` : `<${shown}>`
}

/** Formats a field's value or pattern. */
const formatValue = (value: unknown): string => {
  if (value instanceof Uint8Array) return formatBytes(value)
  if (value instanceof RegExp) return String(value)
  if (typeof value === "function") return "a value that fits the predicate"
  if (typeof value === "string") return JSON.stringify(truncate(value))
  if (Array.isArray(value)) return truncate(`[${value.map(formatValue).join(", ")}]`)
  if (typeof value === "object" && value !== null) {
    return truncate(`{ ${Object.entries(value).map(([name, value]) => `${name}: ${formatValue(value)}`).join(", ")} }`)
  }
  return String(value)
}

const fieldsOf = (message: object): ReadonlyArray<readonly [name: string, value: unknown]> =>
  Object.entries(message).filter(([name]) => name !== "_tag")

/** Formats a message on one line. */
export const formatMessage = (message: { readonly _tag: string }): string => {
  const fields = fieldsOf(message).map(([name, value]) => `${name}: ${formatValue(value)}`)
  return [message._tag, ...fields].join(" ")
}

const matchesField = (pattern: unknown, value: unknown): boolean =>
  typeof pattern === "function"
    ? pattern(value) === true
    : pattern instanceof RegExp
    ? typeof value === "string" && value.search(pattern) >= 0
    : Equal.equals(pattern, value)

export const matches = (pattern: MessagePattern, message: Frontend.Message): boolean =>
  pattern._tag === message._tag &&
  fieldsOf(pattern).every(([name, wanted]) =>
    wanted === undefined || matchesField(wanted, (message as Readonly<Record<string, unknown>>)[name])
  )

/** Compares field by field: expected (`-`), received (`+`), and equal ones. */
export const diff = (pattern: { readonly _tag: string }, message: { readonly _tag: string }): ReadonlyArray<string> => {
  const wanted = new Map(fieldsOf(pattern))
  const received = fieldsOf(message)
  if (pattern._tag !== message._tag) {
    return [
      `- ${pattern._tag}`,
      ...Array.from(wanted, ([name, value]) => `-   ${name}: ${formatValue(value)}`),
      `+ ${message._tag}`,
      ...received.map(([name, value]) => `+   ${name}: ${formatValue(value)}`)
    ]
  }
  return [
    `  ${message._tag}`,
    ...received.flatMap(([name, value]) => {
      const pattern = wanted.get(name)
      const came = `${name}: ${formatValue(value)}`
      return pattern === undefined || matchesField(pattern, value)
        ? [`    ${came}`]
        : [`-   ${name}: ${formatValue(pattern)}`, `+   ${came}`]
    })
  ]
}

/** Describes what a step waits for or does. */
export const describeStep = (step: Step): string => {
  switch (step._tag) {
    case "Accept":
      return "accept a client"
    case "Expect":
      return `expect ${formatMessage(step.pattern)}`
    case "Send":
      return `send ${step.messages.map(({ _tag }) => _tag).join(", ")}`
    case "SendBytes":
      return `send ${formatBytes(step.bytes)}`
    case "On":
      return `answer the query ${formatValue(step.query)}`
    case "Repeat":
      return `answer any of the queries ${step.rules.map(({ query }) => formatValue(query)).join(", ")}`
    case "Disconnect":
      return "disconnect"
    case "Stall":
      return "stall"
  }
}

/** Describes a query that no rule matches. */
export const diffQuery = (
  rules: ReadonlyArray<On>,
  message: Frontend.Message,
  text: string | undefined
): ReadonlyArray<string> => [
  ...rules.map(({ query }) => `- a query: ${formatValue(query)}`),
  `+ ${message._tag}`,
  ...(text === undefined || message._tag === "Query" || message._tag === "Parse"
    ? []
    : [`+   of the query: ${formatValue(text)}`]),
  ...fieldsOf(message).map(([name, value]) => `+   ${name}: ${formatValue(value)}`)
]
