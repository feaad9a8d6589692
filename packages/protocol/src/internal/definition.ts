/**
 * The declaration of a message, as data.
 */
import type * as Layout from "../Layout.ts"

/**
 * The properties of a message declaration besides its fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Header {
  /** The sender. */
  readonly from: "backend" | "frontend" | "both"
  /** The first byte. Absent in packets that open a connection. */
  readonly tag?: string | undefined
  /** The Int32 after the length that distinguishes messages with the same tag, or packets without a tag. */
  readonly code?: number | undefined
  /** The message that carries it. A carried message has a tag but no length: it ends with its carrier. */
  readonly carriedBy?: "CopyData" | undefined
  /**
   * The maximum length of the message, including its length word and excluding the tag, as the protocol counts. Longer
   * messages are rejected before anything is read or allocated. `shortLimit` when absent.
   */
  readonly limit?: number
}

/**
 * The layout of a whole message, as data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Definition extends Header {
  readonly limit: number
  readonly name: string
  readonly layout: Layout.Struct
}
