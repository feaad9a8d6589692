/** Objects made by `JSON.parse` with every key by which a library may recognize its own values. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"

const packages = fileURLToPath(new URL("../../", import.meta.url))

const libraries = readdirSync(packages, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["benchmarks", "docs", "examples", "tooling"].includes(entry.name))
  .map(({ name }) => name)

/** The public modules of each package, by the package's name. */
export const publicModules: ReadonlyArray<
  readonly [string, Readonly<Record<string, Readonly<Record<string, unknown>>>>]
> = await Promise.all(
  libraries.map(async (name) => [name, await import(/* @vite-ignore */ `${packages}${name}/src/index.ts`)] as const)
)

/** The symbols and strings that mark a kind of value in the sources of this repository. */
const ownKeys = libraries.flatMap((name) =>
  readdirSync(`${packages}${name}/src`, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) =>
      readFileSync(`${packages}${name}/src/${path}`, "utf8").match(/(?<=")~?@hyperfect\/\w+\/[\w/]+/g) ?? []
    )
).flatMap((key) => [key, `~${key}`, `Symbol(${key})`, `@@${key}`])

const effectSources = `${dirname(fileURLToPath(import.meta.resolve("effect")))}/../src/`

const effectKeys = readdirSync(effectSources, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .flatMap((path) => readFileSync(`${effectSources}${path}`, "utf8").match(/(?<=")~effect\/[\w/]+(?=")/g) ?? [])

/** The keys of brands, including those of Effect. */
export const brandKeys: ReadonlyArray<string> = [...new Set([...ownKeys, ...effectKeys])].sort()

const brands = (value: (key: string) => unknown) => Object.fromEntries(brandKeys.map((key) => [key, value(key)]))

const injected = "(select 'injected')"

/** The contents of values of these libraries. */
const contents: ReadonlyArray<Readonly<Record<string, unknown>>> = [
  { text: injected, parameters: [], segments: [{ _tag: "Text", text: injected }] },
  { value: null, type: { name: "int4", oid: 23, text: {}, binary: {}, hyper: {} } },
  { value: "1", scale: 0, normalized: { value: "1", scale: 0 } },
  { _tag: "Utc", epochMilliseconds: 0, epochMillis: 0, partsUtc: { year: 2000 } },
  { _tag: "Some", value: 1 },
  { _tag: "None" },
  { _tag: "Success", success: 1, value: 1 },
  { _tag: "Millis", millis: 1, value: { _tag: "Millis", millis: 1 } },
  { _tag: "IArray", array: [1], backing: { _tag: "IArray", array: [1] }, length: 1 },
  { months: 1, days: 1, microseconds: "1" },
  { day: 1, microsecond: 1, offset: 0 },
  { dimensions: [{ length: 1, lowerBound: 1 }], elements: [1] },
  { typeOid: 23, format: 1, bytes: [0, 0, 0, 1] },
  { label: "password" }
]

/** Serializes a value as JSON and parses it again. */
export const parsed = (value: unknown): object => JSON.parse(JSON.stringify(value)) as object

const fragments = (statement: object) => Object.fromEntries(brandKeys.map((key) => [key, statement]))

/** An object with the content of each kind of value and all brands at once, for each value that a brand may have. */
export const forgedValues: ReadonlyArray<object> = contents.flatMap((content) => {
  const branded = [(key: string) => key, () => 0, () => true, () => ({ _A: 1 })].map((value) => ({
    ...brands(value),
    ...content
  }))
  return [...branded, { ...fragments(content), ...content }].map(parsed)
})

/** A sample with one object of each kind of content, for slow tests. */
export const someForgedValues: ReadonlyArray<object> = forgedValues.filter((_, i) => i % 5 === Math.floor(i / 5) % 5)
