/**
 * When to try again to reach a server: never all at once, and not where it would be of no use.
 *
 * @internal
 */
import type { ConnectError } from "../ConnectError.ts"
import type { QueryError, UnsupportedError } from "../QueryError.ts"
import { passes } from "./circumstances.ts"

/** A failure to open a session and make it ready. */
export type OpenError = ConnectError | QueryError

/** The pauses after failures to connect: doubled each time, and up to a half shorter by chance. */
const firstPause = 100
const longestPause = 10_000

/** Milliseconds to wait behind so many failures in a row; `chance` is from 0 to 1. */
export const pauseAfter = (failures: number, chance: number): number =>
  Math.ceil(Math.min(longestPause, firstPause * 2 ** Math.min(failures - 1, 16)) * (1 - chance / 2))

/** Whether opening a session may succeed later although nobody changes anything. */
export const mayPass = (error: OpenError | UnsupportedError): boolean => passes(error)
