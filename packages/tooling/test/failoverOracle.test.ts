import { assert, describe, it } from "@effect/vitest"
import { type Append, History, type Outcome, type Row } from "../failoverOracle.ts"

/** Two writers, of which one writes 0, 1 and 2 together, 4 and 5, and the other 3 and 6. All but 5 and 6 are answered. */
const makeHistory = () => {
  const history = new History()
  const write = (key: number, count: number, outcome: Outcome) =>
    history.end(history.begin(key, count), outcome, outcome === "answered" ? 5432 : undefined)
  const first = history.begin(1, 3)
  write(2, 1, "answered")
  history.end(first, "answered", 5432)
  write(1, 1, "answered")
  write(1, 1, "unknown")
  write(2, 1, "failed")
  return history
}

const keys = [1, 1, 1, 2, 1, 1, 2]
const rowsOf = (...values: ReadonlyArray<number>): ReadonlyArray<Row> =>
  values.map((value) => ({ key: keys[value]!, value }))

const check = (...values: ReadonlyArray<number>) => makeHistory().check(rowsOf(...values))

describe("History", () => {
  it("allows the answered appends, with an unknown one or without, and any order of those at one time", () => {
    for (const values of [[0, 1, 2, 3, 4], [3, 0, 1, 2, 4, 5], [0, 3, 1, 2, 4, 5]]) {
      assert.deepStrictEqual(check(...values), [])
    }
  })

  it("allows an unknown append to come late, but not before what was answered when it was begun", () => {
    const history = makeHistory()
    history.end(history.begin(1, 1), "answered")
    const rows = (...values: ReadonlyArray<number>) => [...rowsOf(...values), { key: 1, value: 7 }]
    assert.deepStrictEqual(history.check([...rows(0, 1, 2, 3, 4), ...rowsOf(5)]), [])
    assert.deepStrictEqual(history.check(rows(0, 1, 2, 3, 5, 4)), [
      "5 of 1 (unknown) comes before 4 of 1 (answered by 5432), which was answered before it was begun"
    ])
  })

  it.each<readonly [what: string, problem: string, values: ReadonlyArray<number>]>([
    ["a lost answer", "4 of 1 (answered by 5432) is missing", [0, 1, 2, 3]],
    ["a duplicate", "3 of 2 (answered by 5432) is there twice", [0, 1, 2, 3, 4, 3]],
    ["a duplicate of an unknown one", "5 of 1 (unknown) is there twice", [0, 1, 2, 3, 4, 5, 5]],
    ["a reorder of a writer", "1 of 1 (answered by 5432) comes after 2 of 1 (answered by 5432)", [0, 2, 1, 3, 4]],
    [
      "a reorder of two writers",
      "4 of 1 (answered by 5432) comes before 3 of 2 (answered by 5432), which was answered before it was begun",
      [0, 1, 2, 4, 3]
    ],
    ["a failed append", "6 of 2 (failed) is there", [0, 1, 2, 3, 4, 6]]
  ])("finds %s", (_, problem, values) => {
    assert.deepStrictEqual(check(...values), [problem])
  })

  it("finds what was never written, and what belongs to another key", () => {
    for (const stray of [{ key: 1, value: 7 }, { key: 2, value: 5 }]) {
      const problems = makeHistory().check([...rowsOf(0, 1, 2, 3, 4), stray])
      assert.include(problems, `${stray.value} of ${stray.key} was never written`)
    }
  })

  it("finds a part of what was written together, whatever its outcome", () => {
    const history = new History()
    history.end(history.begin(1, 2), "unknown")
    history.begin(1, 2)
    const torn = (...values: ReadonlyArray<number>) => history.check(values.map((value) => ({ key: 1, value })))
    assert.deepStrictEqual(torn(), [])
    assert.deepStrictEqual(torn(0, 1, 2, 3), [])
    assert.deepStrictEqual(torn(0), ["1 of 1 (unknown) is torn from 0 of 1 (unknown)"])
    assert.deepStrictEqual(torn(3), ["3 of 1 (under way) is torn from 2 of 1 (under way)"])
  })

  it("requires of a server only the appends that it must have", () => {
    const byOther = ({ end }: Append) => end?.server !== 5432
    assert.deepStrictEqual(makeHistory().check([], byOther), [])
    assert.deepStrictEqual(makeHistory().check(rowsOf(6), byOther), ["6 of 2 (failed) is there"])
  })
})
