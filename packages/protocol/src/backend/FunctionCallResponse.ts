import * as Wire from "../Wire.ts"

/**
 * The result of a FunctionCall.
 *
 * @category messages
 * @since 0.1.0
 */
export const FunctionCallResponse = Wire.message("FunctionCallResponse", {
  from: "backend",
  tag: "V",
  limit: Wire.longLimit
}, {
  /** The result of the function, in the requested format. */
  value: Wire.Nullable
})

/**
 * The decoded {@link FunctionCallResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type FunctionCallResponse = typeof FunctionCallResponse.Type
