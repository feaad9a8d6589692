/**
 * The places of a program that run statements given as text.
 *
 * A template is an object, which knows its place. A text is found again by its characters: its place is that of its
 * first caller.
 *
 * @internal
 */

/** Bounds the memory of texts that a program never repeats: the oldest give way. */
const maxTexts = 1024
const maxLength = 4096

/** V8's non-standard properties of `Error`. */
const v8Error = Error as {
  stackTraceLimit?: number
  readonly captureStackTrace?: (target: object, above: unknown) => void
}

/** Captures the stack above a function, up to a number of frames, into the property `stack` of an object. */
export const captureStack = (target: object, above: unknown, frames: number): void => {
  const limit = v8Error.stackTraceLimit
  v8Error.stackTraceLimit = frames
  v8Error.captureStackTrace?.(target, above)
  if (limit !== undefined) v8Error.stackTraceLimit = limit
}

/** The folder of this package's code, or that of a program into which it is bundled, which then has no places. */
const [, ownFolder] =
  /^(?:file:\/\/)?(.*\/(?:src|dist)\/)/.exec(String((import.meta as { readonly url?: string }).url)) ?? []

const isForeign = (line: string): boolean =>
  line.startsWith("    at ") && !line.includes(ownFolder!) &&
  !/[(\s]node:|\/node_modules\/(?:effect|@effect|@hyperfect)\//.test(line)

const sites = new Map<string, string | undefined>()

/** Keeps the place that calls the library with a text, unless it is known. */
export const noteCaller = (text: string): void => {
  if (text.length > maxLength || sites.has(text) || ownFolder === undefined) return
  const target: { readonly stack?: string } = {}
  captureStack(target, noteCaller, 8)
  if (sites.size >= maxTexts) sites.delete(sites.keys().next().value!)
  // Formatted now, as a stack that is not keeps its callers alive.
  sites.set(text, String(target.stack).split("\n").find(isForeign))
}

/** Returns the line of a stack trace that shows the first caller with a text. */
export const callerOf = (text: string): string | undefined => sites.get(text)
