import { assert, describe, it } from "@effect/vitest"
import { FileHistory, type Found } from "../killsOracle.ts"

const sizes = (...batches: ReadonlyArray<number>) => new Map(batches.map((batch) => [batch, 10 * batch]))

const found = (...batches: ReadonlyArray<number>): Found =>
  new Map([...sizes(...batches)].map(([batch, size]) => [batch, { rows: size, sum: size * (size - 1) / 2 }]))

/** Asserts that exactly these contents are allowed. */
const allows = (history: FileHistory, ...allowed: ReadonlyArray<ReadonlyArray<number>>) => {
  const all = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => [1, 2, 3].filter((_, i) => (bits >> i) % 2 === 1))
  assert.deepStrictEqual(all.filter((batches) => history.check(found(...batches)) === undefined), allowed)
}

describe("FileHistory", () => {
  it("requires what was saved, and allows what was committed since", () => {
    const history = new FileHistory(sizes(1))
    allows(history, [1])
    history.load(sizes(2), "done")
    allows(history, [1], [1, 2])
    history.save("done")
    allows(history, [1, 2])
    history.load(sizes(3), "failed")
    allows(history, [1, 2])
  })

  it("takes a load of unknown outcome as a whole, also after a save", () => {
    const history = new FileHistory()
    history.load(sizes(1, 2), "unknown")
    allows(history, [], [1, 2])
    history.load(sizes(3), "done")
    history.save("done")
    allows(history, [3], [1, 2, 3])
  })

  it("requires the order of commits", () => {
    const history = new FileHistory()
    for (const batch of [1, 2, 3]) history.load(sizes(batch), "done")
    history.save("unknown")
    allows(history, [], [1], [1, 2], [1, 2, 3])
  })

  it("forbids what was reported lost, and continues from the file", () => {
    const history = new FileHistory(sizes(1))
    history.load(sizes(2), "done")
    history.save("failed")
    allows(history, [1])
    history.load(sizes(3), "done")
    history.save("done")
    allows(history, [1, 3])
  })

  it("allows the old file or the new one, and nothing between", () => {
    for (
      const [outcome, ...allowed] of [["done", [2, 3]], ["failed", [1]], ["unknown", [1], [2, 3]]] as const
    ) {
      const history = new FileHistory(sizes(1))
      const draft = new FileHistory()
      draft.load(sizes(2), "done")
      draft.load(sizes(3), "done")
      history.replace(draft, outcome)
      allows(history, ...allowed)
    }
  })

  it("takes an upsert as the new batch instead of the one that it updates, never both nor neither", () => {
    const history = new FileHistory(sizes(1))
    history.load(sizes(2), "failed", [1])
    allows(history, [1])
    history.load(sizes(2), "done", [1])
    allows(history, [1], [2])
    history.save("done")
    allows(history, [2])
  })

  it("takes an upsert of unknown outcome as the new batch or the old one, also after a save", () => {
    const history = new FileHistory(sizes(1))
    history.load(sizes(2), "unknown", [1])
    history.save("done")
    allows(history, [1], [2])
    assert.deepStrictEqual([...history.batches], [1, 2])
    history.load(sizes(3), "done", [1, 2])
    history.save("done")
    allows(history, [3])
  })

  it("continues from what the file may have after a save of unknown outcome", () => {
    const history = new FileHistory(sizes(1))
    history.load(sizes(2), "done", [1])
    history.save("unknown")
    history.save("failed")
    history.load(sizes(3), "done")
    history.save("done")
    allows(history, [1, 3], [2, 3])
  })

  it("rejects a part of a batch, a batch twice and one that was never loaded", () => {
    const history = new FileHistory(sizes(1))
    assert.include(history.check(new Map([[1, { rows: 9, sum: 45 }]])), "1 has 9 of 10 rows")
    assert.include(history.check(new Map([[1, { rows: 20, sum: 90 }]])), "1 has 20 of 10 rows")
    assert.isDefined(history.check(new Map([[1, { rows: 10, sum: 44 }]])))
    assert.include(history.check(found(1, 7)), "7 has 70 of 0 rows")
  })
})
