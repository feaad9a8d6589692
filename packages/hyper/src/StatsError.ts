/**
 * The error for statistics that cannot be matched to the statements of an effect.
 *
 * @since 0.1.0
 */
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const problems = {
  "not-logged": "the server's log does not have the statements",
  "several-sessions": "the statements ran on several sessions; on a pool, measure inside a transaction"
} as const

/**
 * The statistics of an effect cannot be found; the effect itself has succeeded.
 *
 * @category errors
 * @since 0.1.0
 */
export class StatsError extends TaggedError<StatsError>()("StatsError", {
  problem: Schema.Literals(["not-logged", "several-sessions"])
}, ({ problem }) => `no statistics: ${problems[problem]}`) {}
