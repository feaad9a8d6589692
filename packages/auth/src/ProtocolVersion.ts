/**
 * The versions of the protocol that a client can speak, and which of them a session comes to.
 *
 * A client asks for one version, and the server either speaks it or names an older one (NegotiateProtocolVersion). Servers
 * that were made before anything but 3.0 existed may refuse or hang up instead, as Hyper does.
 *
 * @since 0.1.0
 */
import { protocolVersion30, protocolVersion32 } from "@hyperfect/protocol/frontend/StartupMessage"
import * as Schema from "effect/Schema"

/**
 * - `"3.0"`: what every server speaks.
 * - `"3.2"`: PostgreSQL 18 and later; keys for CancelRequest can be longer than four bytes. There never was a 3.1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProtocolVersion = Schema.Literals(["3.0", "3.2"])

/**
 * A version that is known here.
 *
 * @category models
 * @since 0.1.0
 */
export type ProtocolVersion = typeof ProtocolVersion.Type

/**
 * The newest version that is known here.
 *
 * @category constants
 * @since 0.1.0
 */
export const latest: ProtocolVersion = "3.2"

const numbers: Readonly<Record<ProtocolVersion, number>> = { "3.0": protocolVersion30, "3.2": protocolVersion32 }

/**
 * The version as the StartupMessage has it.
 *
 * @category converting
 * @since 0.1.0
 */
export const toNumber = (version: ProtocolVersion): number => numbers[version]

/**
 * The version that a number stands for; `undefined` for one that is not known here.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromNumber = (number: number): ProtocolVersion | undefined =>
  number === protocolVersion30 ? "3.0" : number === protocolVersion32 ? "3.2" : undefined

/**
 * Which versions a client accepts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  /** `"3.0"` when absent. */
  readonly minProtocolVersion?: ProtocolVersion | undefined
  /**
   * The version to ask for: `"3.0"` when absent, for Hyper and many poolers know nothing of others; the latest when that
   * is less than the least.
   */
  readonly maxProtocolVersion?: ProtocolVersion | undefined
}

/**
 * The least and the greatest version of a range.
 *
 * @category getters
 * @since 0.1.0
 */
export const limits = ({ maxProtocolVersion, minProtocolVersion = "3.0" }: Range): {
  readonly min: ProtocolVersion
  readonly max: ProtocolVersion
} => ({
  min: minProtocolVersion,
  max: maxProtocolVersion ?? (minProtocolVersion === "3.0" ? "3.0" : latest)
})
