/**
 * Makes old servers print floating-point numbers with all of their digits.
 *
 * Since PostgreSQL 12 the text of a number is the shortest that parses to the same number; before, `extra_float_digits`
 * is 0 by default and digits are missing (PostgreSQL 12, release notes). It cannot be a start-up parameter, since
 * PgBouncer refuses it.
 *
 * @internal
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Effect from "effect/Effect"
import type { ConnectionConfig } from "../../ConnectionConfig.ts"
import type { Dialect } from "../../Dialect.ts"
import { ask } from "./ask.ts"

const setting = "extra_float_digits"

/** True if the caller has set the number of digits. */
const isChosen = ({ options = "", parameters = {} }: ConnectionConfig): boolean =>
  options.includes(setting) || Object.hasOwn(parameters, setting)

/** Parses the major version, including those like 9.6 and those of forks with a suffix. */
const majorVersion = (version = ""): number => Number.parseInt(version)

/** Older servers, and some forks of them, accept at most 2, which is enough for all digits of a `double precision`. */
const commands = [`SET ${setting} = 3`, `SET ${setting} = 2`]

/** Sets the number of digits if needed, and returns the command for repeating it after RESET ALL. */
export const setFloatDigits = Effect.fnUntraced(function*(
  config: ConnectionConfig,
  channel: MessageChannel.Client,
  { parameters }: Authenticate.Session,
  { exactFloats }: Dialect
) {
  if (!exactFloats || isChosen(config) || !(majorVersion(parameters.get("server_version")) < 12)) {
    return undefined
  }
  for (const command of commands) if (!(yield* ask(channel, command)).isRefused) return command
  return undefined
})
