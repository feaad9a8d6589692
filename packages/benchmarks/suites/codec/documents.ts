/**
 * The documents of A1b: five kinds, in two sets of different content each, from installed packages or made by a seed.
 */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** A linear congruential step: enough to make adjacent values differ. */
export const random = (index: number): number => (Math.imul(index + 1, 1664525) + 1013904223) >>> 0

const root = join(import.meta.dirname, "../../../../node_modules")

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"))

/** Reads a data set of `vega-datasets`. */
export const dataset = (name: string): unknown => readJson(`vega-datasets/data/${name}.json`)

const manifests = (pattern: string): ReadonlyArray<unknown> =>
  globSync(pattern, { cwd: root }).filter((path) => !path.startsWith("@hyperfect")).sort().map(readJson)

/** Returns a function that returns the next number below a bound. */
export const seeded = (index: number): (bound: number) => number => {
  let state = random(index)
  return (bound) => (state = random(state)) % bound
}

const many = <A>(make: (random: (bound: number) => number, i: number) => A): ReadonlyArray<A> =>
  Array.from({ length: 2000 }, (_, i) => make(seeded(i), i))

const pick = <A>(values: ReadonlyArray<A>, index: number): A => values[index % values.length]!

const levels = ["info", "debug", "warn", "error"]
const words = "café of the 東京 port said \"no\" to a new \\n line and grüne über-lange Wörter".split(" ")
/** Returns words in several scripts, and some to escape in JSON. */
export const sentence = (next: (bound: number) => number, length: number): string =>
  Array.from({ length }, () => pick(words, next(1000))).join(" ")

const paragraphs = (): ReadonlyArray<string> =>
  globSync("*/README.md", { cwd: root }).sort().flatMap((path) =>
    readFileSync(join(root, path), "utf8").split(/\n(?=#)/).filter((text) => text.length < 4000)
  )

type Documents = () => ReadonlyArray<unknown>

/** The sets of each kind. */
export const documents: Readonly<Record<string, readonly [Documents, Documents]>> = {
  geojson: [
    () => (dataset("earthquakes") as { readonly features: ReadonlyArray<unknown> }).features,
    () =>
      many((next, i) => ({
        type: "Feature",
        id: i,
        properties: { name: sentence(next, 2), area: next(10_000) / 100 },
        geometry: {
          type: "Polygon",
          coordinates: [Array.from({ length: 5 + next(40) }, () => [next(3.6e8) / 1e6 - 180, next(1.8e8) / 1e6 - 90])]
        }
      }))
  ],
  manifest: [() => manifests("*/package.json"), () => manifests("@*/*/package.json")],
  event: [
    () =>
      many((next, i) => ({
        time: new Date(1.7e12 + i * 977).toISOString(),
        level: pick(levels, next(4)),
        message: sentence(next, 4 + next(12)),
        request: { id: `req-${next(1e9).toString(36)}`, path: `/api/items/${next(5000)}`, ms: next(9000) / 10 },
        ...(next(8) === 0 && { stack: Array.from({ length: 6 }, (_, at) => `at f${next(99)} (src/file.ts:${at}:7)`) })
      })),
    () => dataset("football") as ReadonlyArray<unknown>
  ],
  post: [
    () =>
      paragraphs().map((body, id) => ({ id, author: { name: pick(words, id), karma: id * 3 }, body, tags: ["doc"] })),
    () =>
      many((next, id) => ({
        id,
        user: { name: `user_${next(500)}`, verified: next(9) === 0, avatar: null },
        text: sentence(next, 3 + next(30)),
        tags: Array.from({ length: next(5) }, () => pick(words, next(1000))),
        likes: next(2000),
        replies: Array.from({ length: next(3) }, () => ({ user: `user_${next(500)}`, text: sentence(next, 6) }))
      }))
  ],
  response: [
    () => dataset("movies") as ReadonlyArray<unknown>,
    () =>
      many((next, page) => ({
        data: Array.from({ length: 1 + next(6) }, () => ({
          type: "order",
          id: `${next(1e9)}`,
          attributes: { total: next(1e6) / 100, currency: "EUR", paid: next(2) === 0, note: null },
          relationships: { customer: { data: { type: "customer", id: `${next(9999)}` } } }
        })),
        links: { self: `/orders?page=${page}`, next: `/orders?page=${page + 1}` },
        meta: { total: 120_000, took: next(50) }
      }))
  ]
}

/** Formats a document as PostgreSQL prints `jsonb`: shorter keys first, with a space after colons and commas. */
export const toJsonb = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(toJsonb).join(", ")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const keys = Object.keys(value).sort((a, b) => Buffer.byteLength(a) - Buffer.byteLength(b) || (a < b ? -1 : 1))
  return `{${keys.map((key) => `${JSON.stringify(key)}: ${toJsonb(value[key as never])}`).join(", ")}}`
}
