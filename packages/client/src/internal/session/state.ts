/**
 * Session state changed by statements, as far as the server reports it.
 *
 * @internal
 */

/** The state of a session that its next user must not inherit. */
export const sessionState = { clean: 0, dirty: 1, unresettable: 2 } as const

/** @internal */
export type SessionState = typeof sessionState[keyof typeof sessionState]

const stateByCommandTag = new Map<string, SessionState>([
  ["SET", sessionState.dirty],
  ["RESET", sessionState.dirty],
  ["LISTEN", sessionState.dirty],
  ["DECLARE CURSOR", sessionState.dirty],
  // Each of these may create a temporary object; the tag does not tell.
  ["CREATE TABLE", sessionState.dirty],
  ["CREATE VIEW", sessionState.dirty],
  ["CREATE SEQUENCE", sessionState.dirty],
  // PREPARE uses the same names as the client's prepared statements, and LOAD loads code that cannot be unloaded.
  ["PREPARE", sessionState.unresettable],
  ["LOAD", sessionState.unresettable],
  ["ATTACH DATABASE", sessionState.unresettable],
  ["DETACH DATABASE", sessionState.unresettable]
])

/** Returns the state that a command with this tag may leave. */
export const stateAfter = (commandTag: string): SessionState => stateByCommandTag.get(commandTag) ?? sessionState.clean
