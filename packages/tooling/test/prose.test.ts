import { assert, describe, it } from "@effect/vitest"
import { docstringsOf, evidenceViolations, proseViolations, subjectLimit, subjectViolations } from "../prose.ts"

/** A docstring, in two parts so that the check does not find it in this file. */
const docstring = (text: string) => `/${"*"}* ${text} */`

const found = (text: string) => proseViolations([["a.ts", text]])

describe("prose", () => {
  it("finds docstrings with the lines that they begin in", () => {
    assert.deepStrictEqual(docstringsOf("const a = 1\n/** One. */\n/**\n * Two\n * lines.\n */\n/* none */"), [
      { line: 2, text: "One." },
      { line: 3, text: "Two\nlines." }
    ])
  })

  it("refuses a docstring that opens with a question word", () => {
    assert.deepStrictEqual(found(docstring("Whether it is open.")), [`a.ts:1: the docstring opens with "Whether"`])
    assert.deepStrictEqual(found(`\n${docstring("What it holds.")}`), [`a.ts:2: the docstring opens with "What"`])
    assert.deepStrictEqual(found(docstring("True if it is open. What it holds is another matter.")), [])
    assert.deepStrictEqual(found(docstring("Whatever is left.")), [])
  })

  it("refuses words that do not say who or what, other than in code", () => {
    assert.deepStrictEqual(found("// for whoever asks"), [`a.ts:1: "whoever" does not say who or what`])
    assert.deepStrictEqual(found("/** Runs as `nobody`. */\nconst nobody = 65534"), [])
  })

  it("refuses measurements without evidence, and evidence without use", () => {
    const page = "packages/docs/evidence/hyper.md"
    const facts = "| id | fact |\n| H-01 | It ends. | `packages/a/test/A.test.ts` |\n"
    const check = (comment: string, text = facts, hasFile = true) =>
      evidenceViolations([[page, text], ["a.ts", `const a = 1\n// ${comment}`]], () => hasFile)
    assert.deepStrictEqual(check("It ends (H-01)."), [])
    assert.deepStrictEqual(check("It ends (measured). See H-01."), [
      `a.ts:2: "measured" without evidence; cite an id of packages/docs/evidence`
    ])
    assert.lengthOf(check("It ends (H-01), as measured on a server."), 1)
    assert.deepStrictEqual(check("H-01 and M-02"), ["a.ts:2: there is no M-02 in packages/docs/evidence"])
    assert.deepStrictEqual(check("none"), [`${page}: nothing cites H-01`])
    assert.deepStrictEqual(check("H-01", facts + facts), [`${page}: H-01 is there twice`])
    assert.deepStrictEqual(check("H-01", facts, false), [`${page}: there is no packages/a/test/A.test.ts`])
  })

  it("refuses subjects of commits that are long or join several topics", () => {
    assert.deepStrictEqual(subjectViolations(["Add a rule", "a".repeat(subjectLimit)]), [])
    assert.lengthOf(subjectViolations(["a".repeat(subjectLimit + 1), "Add a rule; mend another"]), 2)
  })
})
