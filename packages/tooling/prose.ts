/**
 * Rules for the prose in sources: the opening words of docstrings, and vague words.
 *
 * The rules check comments only, given as texts by path, as those of `structure.ts` do.
 */

/** A comment of a module, with the number of its first line. */
interface Comment {
  readonly line: number
  readonly text: string
}

/** Returns the block comments that document something, without their stars. */
export const docstringsOf = (text: string): ReadonlyArray<Comment> =>
  Array.from(text.matchAll(/\/\*\*([\s\S]*?)\*\//g), (match) => ({
    line: text.slice(0, match.index).split("\n").length,
    text: match[1]!.replace(/^\s*\* ?/gm, "").trim()
  }))

/** Returns all comments: docstrings, blocks and lines. */
const commentsOf = (text: string): ReadonlyArray<Comment> => [
  ...docstringsOf(text),
  ...Array.from(text.matchAll(/^\s*\/\/ ?(.*)$/gm), (match) => ({
    line: text.slice(0, match.index).split("\n").length + (match[0].startsWith("\n") ? 1 : 0),
    text: match[1]!
  }))
]

/** Words that must not open a docstring: it names what the thing is or does, instead of asking about it. */
const questions = /^(?:What|How|Whether|Where|Why|Who|Which|When(?! to use))\b/

/** Words that hide the subject of a sentence. */
const vague = /\b(?:nobody|somebody|whoever|whomever)\b/i

/** Returns every violation in the comments of the given modules, as lines of `path:line: problem`. */
export const proseViolations = (modules: Iterable<readonly [path: string, text: string]>): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const [path, text] of modules) {
    for (const { line, text: comment } of docstringsOf(text)) {
      const opening = questions.exec(comment)?.[0]
      if (opening !== undefined) found.push(`${path}:${line}: the docstring opens with "${opening}"`)
    }
    for (const { line, text: comment } of commentsOf(text)) {
      const word = vague.exec(comment.replace(/`[^`]*`/g, ""))?.[0]
      if (word !== undefined) found.push(`${path}:${line}: "${word}" does not say who or what`)
    }
  }
  return found
}

/** The ids of facts and figures: about Hyper, PostgreSQL, and performance. */
const evidenceId = /\b[HPM]-\d\d\b/g

/** The pages that have a row for each id. */
const evidencePage = /^packages\/docs\/evidence\/\w+\.md$/

/**
 * Returns every claim without evidence and every piece of evidence without a use, in modules and pages given by their
 * paths. `exists` tells if there is a file that a piece of evidence names.
 */
export const evidenceViolations = (
  texts: ReadonlyArray<readonly [path: string, text: string]>,
  exists: (path: string) => boolean
): ReadonlyArray<string> => {
  const found: Array<string> = []
  const known = new Map<string, string>()
  for (const [path, text] of texts.filter(([path]) => evidencePage.test(path))) {
    for (const [, id] of text.matchAll(/^\| ([HPM]-\d\d) \|/gm)) {
      if (known.has(id!)) found.push(`${path}: ${id} is there twice`)
      known.set(id!, path)
    }
    for (const [, file] of text.matchAll(/`(packages\/[^`]+)`/g)) {
      if (!exists(file!)) found.push(`${path}: there is no ${file}`)
    }
  }
  const cited = new Set<string>()
  for (const [path, text] of texts.filter(([path]) => !evidencePage.test(path))) {
    const isModule = path.endsWith(".ts")
    for (const { line, text: comment } of isModule ? commentsOf(text) : [{ line: 1, text }]) {
      for (const [id] of comment.matchAll(evidenceId)) {
        cited.add(id)
        if (!known.has(id)) found.push(`${path}:${line}: there is no ${id} in packages/docs/evidence`)
      }
      if (/\(measured\b|\bmeasured on\b/i.test(comment)) {
        found.push(`${path}:${line}: "measured" without evidence; cite an id of packages/docs/evidence`)
      }
    }
  }
  for (const [id, path] of known) if (!cited.has(id)) found.push(`${path}: nothing cites ${id}`)
  return found
}

/** The commit after which the subjects of commits are checked. */
export const checkedSince = "5db74f56667a"

/** The maximum length of a commit subject. */
export const subjectLimit = 72

/** Returns the commit subjects that are too long, or that join several topics. */
export const subjectViolations = (subjects: Iterable<string>): ReadonlyArray<string> =>
  Array.from(subjects).flatMap((subject) => [
    ...subject.length > subjectLimit ? [`commit "${subject}": the subject is over ${subjectLimit} characters`] : [],
    ...subject.includes(";") ? [`commit "${subject}": the subject joins several topics`] : []
  ])
