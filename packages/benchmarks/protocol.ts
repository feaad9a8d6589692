/** The messages between the runner and the process of an entry, one reply for each request. */

export type Request = "reset" | "round" | "finish"

export type Reply =
  | { readonly _tag: "Ready"; readonly digest: string | undefined }
  | { readonly _tag: "Reset" }
  | Sample & { readonly _tag: "Round" }
  | { readonly _tag: "Finished"; readonly rssMb: number }
  /** The entry failed, and its process exits. */
  | { readonly _tag: "Failed"; readonly message: string }

/** One timed round: wall-clock time, and processor time of the entry's process, all threads together. */
export interface Sample {
  readonly ms: number
  readonly cpuMs: number
}
