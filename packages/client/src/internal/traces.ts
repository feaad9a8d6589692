/**
 * What a statement leaves behind in its session, as far as the server tells, and how that is undone.
 *
 * @internal
 */

/** What a session holds that its next user must not find. */
export const traces = { none: 0, settings: 1, names: 2 } as const

/** @internal */
export type Traces = typeof traces[keyof typeof traces]

const tags = new Map<string, Traces>([
  ["SET", traces.settings],
  ["RESET", traces.settings],
  ["LISTEN", traces.settings],
  ["DECLARE CURSOR", traces.settings],
  // Each may be temporary; the tag does not tell.
  ["CREATE TABLE", traces.settings],
  ["CREATE VIEW", traces.settings],
  ["CREATE SEQUENCE", traces.settings],
  // Names that our own prepared statements share a space with, and code that cannot be unloaded.
  ["PREPARE", traces.names],
  ["LOAD", traces.names],
  ["ATTACH DATABASE", traces.names],
  ["DETACH DATABASE", traces.names]
])

/** What the command of this tag may have left. */
export const ofCommand = (commandTag: string): Traces => tags.get(commandTag) ?? traces.none

/**
 * Everything that `DISCARD ALL` does except for dropping the statements that we have prepared, which are of use to the
 * next user and hold nothing of the last one (PostgreSQL, "DISCARD").
 */
export const discard = [
  "CLOSE ALL",
  "SET SESSION AUTHORIZATION DEFAULT",
  "RESET ALL",
  "UNLISTEN *",
  "SELECT pg_advisory_unlock_all()",
  "DISCARD TEMP",
  "DISCARD SEQUENCES"
].join("; ")
