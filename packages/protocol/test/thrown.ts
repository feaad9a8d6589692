/** What synchronous readers and writers give, or throw. */
import { ProtocolError } from "@hyperfect/protocol"

export type Outcome<A> = { readonly value: A } | { readonly reason: ProtocolError.Reason }

/** What a reader or writer gave, or the reason that it threw. Anything else that is thrown is a bug and passes. */
export const outcome = <A>(run: () => A): Outcome<A> => {
  try {
    return { value: run() }
  } catch (thrown) {
    if (ProtocolError.isReason(thrown)) return { reason: thrown }
    throw thrown
  }
}

/** The reason that was thrown. */
export const reasonOf = (run: () => unknown): ProtocolError.Reason => {
  const result = outcome(run)
  if ("reason" in result) return result.reason
  throw new Error("nothing was thrown")
}
