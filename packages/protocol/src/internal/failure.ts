/**
 * The failures that readers and writers throw: plain objects that collect their field path while propagating.
 *
 * @internal
 */
import * as ProtocolError from "../ProtocolError.ts"

/** @internal */
export class Failure {
  readonly tag: ProtocolError.Reason["_tag"]
  readonly at: number
  readonly wanted: string
  readonly found: string
  path: string

  constructor(tag: ProtocolError.Reason["_tag"], at: number, wanted: string, found: string) {
    this.tag = tag
    this.at = at
    this.wanted = wanted
    this.found = found
    this.path = ""
  }
}

/** Prepends a field name or an index to the path of a propagating failure. */
export const prependPath = (thrown: unknown, segment: string | number): unknown => {
  if (thrown instanceof Failure) {
    const own = typeof segment === "number" ? `[${segment}]` : segment
    thrown.path = thrown.path === "" || thrown.path.startsWith("[") ? own + thrown.path : `${own}.${thrown.path}`
  }
  return thrown
}

/** Converts a failure to the reason that callers see. `frame` is the offset of the frame. */
export const toReason = (thrown: unknown, messageName: string, frame: number): unknown =>
  thrown instanceof Failure
    ? ProtocolError.reason(thrown.tag, messageName, thrown.path, thrown.at - frame, thrown.wanted, thrown.found)
    : thrown

/** @internal */
export const truncated = (at: number, end: number, wanted: number): Failure =>
  new Failure("Truncated", at, `${wanted} bytes`, `${end - at} bytes`)

/** Creates the reason for a message with `left` bytes behind its last field. */
export const trailingBytes = (messageName: string, offset: number, left: number): ProtocolError.Reason =>
  ProtocolError.reason("TrailingBytes", messageName, "", offset, "the end of the message", `${left} bytes`)
