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

/** The changes that statements have left in a session since it was clean. */
export class SessionChanges {
  private marked: SessionState = sessionState.clean
  /** The settings whose reported values differ from those of the clean session, with the latter. */
  private readonly settings = new Map<string, string | undefined>()

  get state(): SessionState {
    return this.marked === sessionState.clean && this.settings.size > 0 ? sessionState.dirty : this.marked
  }

  mark(state: SessionState): void {
    if (state > this.marked) this.marked = state
  }

  /** Notes a setting that the server reports. One that held for a transaction alone is as before after its end. */
  noteSetting(name: string, previous: string | undefined, value: string): void {
    if (!this.settings.has(name)) this.settings.set(name, previous)
    if (this.settings.get(name) === value) this.settings.delete(name)
  }

  clear(): void {
    this.marked = sessionState.clean
    this.settings.clear()
  }
}
