/**
 * The authentication mechanisms, weakest first, one line per mechanism. Methods, policy, accounts, the halves of the
 * login and the documentation are derived from this list; a method that is not in it is refused by both halves.
 *
 * @since 0.1.0
 */
import type { AccountOf } from "../internal/mechanism.ts"
import * as Cleartext from "./Cleartext.ts"
import * as Gss from "./Gss.ts"
import * as Md5 from "./Md5.ts"
import * as OAuthBearer from "./OAuthBearer.ts"
import * as ScramSha256 from "./ScramSha256.ts"
import * as Trust from "./Trust.ts"

/** @internal */
export const mechanisms = [
  Trust.definition,
  Cleartext.definition,
  Md5.definition,
  Gss.gss,
  Gss.sspi,
  OAuthBearer.definition,
  ScramSha256.definition
] as const

type Mechanism = (typeof mechanisms)[number]

/** @internal */
export type Name = Mechanism["name"]

/** @internal */
export type Account = AccountOf<Mechanism>
