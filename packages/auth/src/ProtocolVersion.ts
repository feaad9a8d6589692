/**
 * Protocol versions and their negotiation.
 *
 * A client requests one version, and the server either supports it or responds with an older one
 * (NegotiateProtocolVersion). Servers that predate version negotiation may reject the client or disconnect instead, as
 * Hyper does.
 *
 * @since 0.1.0
 */
import { protocolVersion30, protocolVersion32 } from "@hyperfect/protocol/frontend/StartupMessage"
import * as Schema from "effect/Schema"

/**
 * - `"3.0"`: supported by every server.
 * - `"3.2"`: PostgreSQL 18 and later; keys for CancelRequest can be longer than four bytes. Version 3.1 never existed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProtocolVersion = Schema.Literals(["3.0", "3.2"])

/**
 * A supported protocol version.
 *
 * @category models
 * @since 0.1.0
 */
export type ProtocolVersion = typeof ProtocolVersion.Type

/**
 * The newest supported version.
 *
 * @category constants
 * @since 0.1.0
 */
export const latest: ProtocolVersion = "3.2"

const numbers: Readonly<Record<ProtocolVersion, number>> = { "3.0": protocolVersion30, "3.2": protocolVersion32 }

/**
 * Returns the version number used in the StartupMessage.
 *
 * @category converting
 * @since 0.1.0
 */
export const toNumber = (version: ProtocolVersion): number => numbers[version]

/**
 * Returns the version with a number; `undefined` for an unsupported one.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromNumber = (number: number): ProtocolVersion | undefined =>
  number === protocolVersion30 ? "3.0" : number === protocolVersion32 ? "3.2" : undefined

/**
 * The versions that a client accepts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  /** Defaults to `"3.0"`. */
  readonly minProtocolVersion?: ProtocolVersion | undefined
  /**
   * The version to request. Defaults to `"3.0"`, because Hyper and many poolers support no other; to the latest if that
   * is below the minimum.
   */
  readonly maxProtocolVersion?: ProtocolVersion | undefined
}

/**
 * Returns the minimum and maximum version of a range.
 *
 * @category getters
 * @since 0.1.0
 */
export const limits = ({ maxProtocolVersion, minProtocolVersion = "3.0" }: Range) => ({
  min: minProtocolVersion,
  max: maxProtocolVersion ?? (minProtocolVersion === "3.0" ? "3.0" : latest)
})
