import * as Wire from "../Wire.ts"

/**
 * Ends a group of messages of the extended protocol; the server answers with ReadyForQuery.
 *
 * @category messages
 * @since 0.1.0
 */
export const Sync = Wire.message("Sync", { from: "frontend", tag: "S" }, {})

/**
 * The decoded {@link Sync} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Sync = typeof Sync.Type
