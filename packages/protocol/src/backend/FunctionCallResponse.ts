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
  /** The result of the function, in the format that was asked for. */
  value: Wire.Nullable
})

/**
 * The value that {@link FunctionCallResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type FunctionCallResponse = typeof FunctionCallResponse.Type
