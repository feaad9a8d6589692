/**
 * The settings that a server reports, with limits on their number and size.
 *
 * @internal
 */
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Utf8 from "@hyperfect/protocol/Utf8"

/** PostgreSQL reports some 20 settings, and extensions may add to them. */
const maxNames = 1000
const maxBytes = 1024 * 1024

/** Settings by name. Setting one throws a `ProtocolError.Reason` if it exceeds a limit. */
export class ServerParameters extends Map<string, string> {
  private bytes = 0

  override set(name: string, value: string): this {
    const previous = this.get(name)
    const size = Utf8.byteLength(value) - (previous === undefined ? -Utf8.byteLength(name) : Utf8.byteLength(previous))
    if (previous === undefined && this.size === maxNames) throw exceeded(`${maxNames} names`, "more")
    if (this.bytes + size > maxBytes) throw exceeded(`${maxBytes} bytes of names and values`, "more")
    this.bytes += size
    return super.set(name, value)
  }
}

const exceeded = (limit: string, found: string): ProtocolError.Reason =>
  ProtocolError.reason("LengthExceeded", "ParameterStatus", "", 0, `at most ${limit} in a session`, found)

/** Makes the settings from those reported during login. */
export const fromLogin = (reported: Iterable<readonly [string, string]>): ServerParameters => {
  const parameters = new ServerParameters()
  for (const [name, value] of reported) parameters.set(name, value)
  return parameters
}
