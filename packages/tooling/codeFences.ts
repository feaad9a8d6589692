/** Finds the TypeScript examples in Markdown files and in the doc comments of modules. */

/** One example: a complete program. */
export interface Fence {
  /** The line number of the program's first line in the file, counted from 1. */
  readonly line: number
  readonly text: string
}

const opening = /^ {0,3}```(\w*)/
const languages = ["ts", "typescript"]

/**
 * Finds the fences in lines of Markdown; a line that is `undefined` is not Markdown, and neither begins nor ends a
 * fence.
 */
const fences = (lines: ReadonlyArray<string | undefined>): ReadonlyArray<Fence> => {
  const found: Array<Fence> = []
  let start: { readonly line: number; readonly isProgram: boolean } | undefined
  let text: Array<string> = []
  for (const [index, line] of lines.entries()) {
    const match = line === undefined ? undefined : opening.exec(line)
    if (match && start === undefined) {
      start = { line: index + 2, isProgram: languages.includes(match[1]!) }
      text = []
    } else if (match && start !== undefined) {
      if (start.isProgram) found.push({ line: start.line, text: text.join("\n") })
      start = undefined
    } else if (start !== undefined) {
      if (line === undefined) break
      text.push(line)
    }
  }
  if (start !== undefined) throw new Error(`the fence before line ${start.line} is never closed`)
  return found
}

/** Returns the TypeScript fences of a Markdown file. */
export const fromMarkdown = (text: string): ReadonlyArray<Fence> => fences(text.split("\n"))

/** Returns the TypeScript fences in the doc comments of a module. */
export const fromModule = (text: string): ReadonlyArray<Fence> => {
  let isComment = false
  return fences(
    text.split("\n").map((line) => {
      if (/^\s*\/\*\*/.test(line)) isComment = true
      const isDoc = isComment
      if (line.includes("*/")) isComment = false
      return isDoc ? line.replace(/^\s*\/?\*+ ?/, "") : undefined
    })
  )
}
