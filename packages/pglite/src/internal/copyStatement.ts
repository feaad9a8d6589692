/** Recognizes the statements that read COPY data from the client. */
import * as QueryText from "@hyperfect/client/QueryText"

/**
 * The way in which a text is handed over: `"alone"` is a single COPY from the client; `"among"` may have one that is not recognized or
 * has other statements beside it, so that a CopyFail must follow it; `"none"` has none.
 */
export type CopyIn = "alone" | "among" | "none"

// `COPY (query)` only writes. The grammar takes STDOUT for STDIN.
const copyFromClient = /^\s*copy(?!\s*\()\b.*\bfrom\s+std(?:in|out)\b/is

/** Classifies a text. */
export const classify = (text: string): CopyIn => {
  if (!/copy/i.test(text)) return "none"
  const statements = QueryText.withoutLiterals(text).replaceAll(/"[^"]*(?:""[^"]*)*"/g, "x").split(";").filter((part) =>
    part.trim() !== ""
  )
  return statements.length === 1 && copyFromClient.test(statements[0]!) ? "alone" : "among"
}

/** Returns CopyInResponse, without the formats of columns, which are not known before the statement runs. */
export const copyInResponse = (text: string): Uint8Array =>
  Uint8Array.of(0x47, 0, 0, 0, 7, Number(/\bbinary\b/i.test(text)), 0, 0)
