/** Outcomes of synchronous readers and writers. */
import { ProtocolError } from "@hyperfect/protocol"

export type Outcome<A> = { readonly value: A } | { readonly reason: ProtocolError.Reason }

/**
 * Returns the result of a reader or writer, or the reason that it threw. Any other exception is a bug and is rethrown.
 */
export const outcome = <A>(run: () => A): Outcome<A> => {
  try {
    return { value: run() }
  } catch (thrown) {
    if (ProtocolError.isReason(thrown)) return { reason: thrown }
    throw thrown
  }
}

/** Returns the thrown reason. */
export const reasonOf = (run: () => unknown): ProtocolError.Reason => {
  const result = outcome(run)
  if ("reason" in result) return result.reason
  throw new Error("nothing was thrown")
}
