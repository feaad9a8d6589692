/**
 * Reads the JSON documents of one column, and learns their shapes.
 *
 * `JSON.parse` has to find out for each document what those of most columns have in common. Code that knows it, and that
 * reads the bytes without a string of them all, takes a quarter of the time (measured on Node 24, documents of 50 bytes).
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as BuiltIn from "../BuiltIn.ts"
import type { Codec } from "../Type.ts"
import { miss } from "./jsonScalar.ts"
import * as JsonShape from "./jsonShape.ts"
import type { Column } from "./rowPlan.ts"

type Read = Codec<unknown>["read"]

/** How many shapes a column may have. */
const maxShapes = 4

/** How many documents are looked at for their shapes, which costs more than parsing them does. */
const maxLooks = 32

/** So many readings in vain more than others, and the column is taken to have no shapes. */
const patience = 64

/**
 * A reader for a column, where `version` is the byte before each document, if there is one. It makes code for a shape when it
 * meets it again, and gives up where documents have little in common. What it has no code for is for `read`, and so is all
 * that is wrong.
 */
const make = (read: Read, version: number | undefined): Read => {
  const before = version === undefined ? 0 : 1
  const readShapes: Array<JsonShape.ReadShape> = []
  let latest = 0
  let seen: ReadonlyArray<JsonShape.Shape> = []
  let looks = maxLooks
  let score = patience

  const look = (text: string): void => {
    looks--
    const shape = JsonShape.of(text)
    if (shape === undefined) return
    const others = seen.filter((other) => !JsonShape.same(other, shape))
    if (others.length === seen.length) {
      seen = [...others, shape]
      return
    }
    seen = others
    latest = readShapes.length
    readShapes.push(JsonShape.compile(shape, text))
    if (readShapes.length === maxShapes) looks = 0
  }

  return (bytes, start, end, typeModifier) => {
    if (score === 0 || (version !== undefined && bytes[start] !== version)) return read(bytes, start, end, typeModifier)
    for (let i = 0, at = latest; i < readShapes.length; i++, at = at + 1 === readShapes.length ? 0 : at + 1) {
      const value = readShapes[at]!(bytes, start + before, end)
      if (value !== miss) {
        if (score < patience) score++
        latest = at
        return value
      }
    }
    // What was tried in vain has cost time, each as much as it liked to look at.
    score = Math.max(0, score - Math.max(1, readShapes.length))
    const value = read(bytes, start, end, typeModifier)
    if (looks > 0) look(Utf8.decode(bytes, start + before, end)!)
    return value
  }
}

/** The byte before each document: `jsonb` has its version there in binary. */
const versions = new Map<Read | undefined, number | undefined>([
  [BuiltIn.json.text.read, undefined],
  [BuiltIn.json.binary?.read, undefined],
  [BuiltIn.json.hyper?.read, undefined],
  [BuiltIn.jsonb.text.read, undefined],
  [BuiltIn.jsonb.binary?.read, 1]
])

/** The column with a reader that learns in the place of its codec, when that is one of JSON. */
export const learning = (column: Column): Column =>
  versions.has(column.read) ? { ...column, read: make(column.read, versions.get(column.read)) } : column
