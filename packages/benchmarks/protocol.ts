/** What the runner and the process of an entry say to each other, one answer for each request. */

export type Request = "reset" | "round" | "finish"

export type Reply =
  | { readonly _tag: "Ready"; readonly digest: string | undefined }
  | { readonly _tag: "Reset" }
  | Sample & { readonly _tag: "Round" }
  | { readonly _tag: "Finished"; readonly rssMb: number }
  /** The entry cannot go on, and its process ends. */
  | { readonly _tag: "Failed"; readonly message: string }

/** One timed round: time on the clock, and processor time of the entry's process, all of its threads together. */
export interface Sample {
  readonly ms: number
  readonly cpuMs: number
}
