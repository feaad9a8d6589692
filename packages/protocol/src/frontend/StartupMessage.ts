import * as Schema from "effect/Schema"
import * as Wire from "../Wire.ts"

/**
 * Version 3.0 of the protocol: the major number in the upper half, the minor one in the lower. Hyper knows no other.
 *
 * @category constants
 * @since 0.1.0
 */
export const protocolVersion30 = 196608

/**
 * The first message of a session: the version that the client speaks, who it is, and what it wants set.
 *
 * **Details**
 *
 * It has no tag. Servers refuse more than 10,000 bytes of it (Hyper: 4,096).
 *
 * @category messages
 * @since 0.1.0
 */
export const StartupMessage = Wire.message("StartupMessage", { from: "frontend", limit: 10_000 }, {
  protocolVersion: Wire.Int32,
  /** `user` is required; `database`, `options`, `replication` and settings by their names may follow. */
  parameters: Wire.Terminated(Schema.Struct({ name: Wire.NonEmptyCString, value: Wire.CString }))
})

/**
 * @category messages
 * @since 0.1.0
 */
export type StartupMessage = typeof StartupMessage.Type
