/**
 * Reading of DataRow messages, with a function that is compiled once for the columns of a result.
 *
 * The function reads each column directly from the frame into an object or an array, without an intermediate list of
 * ranges. The returned row shares no memory with the frame. For an invalid row it throws a plain `ValueError.Reason`;
 * the end of the frame is known, so the following rows can still be read.
 *
 * A value whose type is unknown, or has no codec for the format, is returned as a string in text format, and as an
 * `UnknownValue` with its bytes in the binary formats.
 *
 * There are two implementations with the same behaviour: generated code, which is faster but pays only after some rows,
 * and closures. A reader starts with closures and switches to generated code after 512 rows. Where `new Function` is
 * forbidden it keeps using closures.
 *
 * @since 0.1.0
 */
import { UseCount } from "@hyperfect/protocol/internal/codegen"
import type * as Wire from "@hyperfect/protocol/Wire"
import * as Result from "effect/Result"
import * as Generated from "./internal/rows/generated.ts"
import * as Interpreted from "./internal/rows/interpreted.ts"
import * as Plan from "./internal/rows/plan.ts"
import * as ValueError from "./ValueError.ts"

export type { DescribedColumn as Column } from "./internal/rows/plan.ts"

/**
 * Reads the row in the body of a DataRow message, `bytes[start, end)`, which starts with the number of columns.
 *
 * @category models
 * @since 0.1.0
 */
export type RowReader<Row> = (bytes: Uint8Array, start: number, end: number) => Row

/**
 * A row keyed by column name. NULL is `null`.
 *
 * @category models
 * @since 0.1.0
 */
export type ObjectRow = { readonly [name: string]: unknown }

/**
 * A row as an array in column order. NULL is `null`.
 *
 * @category models
 * @since 0.1.0
 */
export type ArrayRow = ReadonlyArray<unknown>

/**
 * The handling of duplicate column names in rows as objects.
 *
 * **Details**
 *
 * - `"refuse"`: no reader is created (`DuplicateColumn`), because one column would hide the other.
 * - `"last"`: the last column wins, as in many other drivers.
 * - `"suffix"`: all but the first are renamed to `name_2`, `name_3` and so on, with the next number whose name no other
 *   column has.
 *
 * @category models
 * @since 0.1.0
 */
export type Duplicates = "refuse" | "last" | "suffix"

/**
 * Makes column names unique, by the rule `"suffix"` of {@link Duplicates}.
 *
 * **Example** (Two columns of one name)
 *
 * ```ts
 * import { RowReader } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * assert.deepEqual(RowReader.suffixedNames(["id", "name", "id"]), ["id", "name", "id_2"])
 * ```
 *
 * @internal
 */
export const suffixedNames = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set(names)
  const seen = new Map<string, number>()
  return names.map((name) => {
    let number = seen.get(name)
    if (number === undefined) {
      seen.set(name, 1)
      return name
    }
    let suffixed: string
    do suffixed = `${name}_${++number}`
    while (taken.has(suffixed))
    seen.set(name, number)
    taken.add(suffixed)
    return suffixed
  })
}

/**
 * The description of a result whose rows are read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Plan.ReaderOptions {
  /** The handling of duplicate column names in rows as objects; `"refuse"` by default. */
  readonly duplicates?: Duplicates | undefined
  /** Selects one implementation, which is used from the first row on. */
  readonly codegen?: Wire.Codegen | undefined
}

/** About the number of rows after which generating code pays (M-11, M-18). */
const rowsBeforeGenerating = 512

const compile = <Row>(options: Options, shape: "object" | "array"): RowReader<Row> => {
  const { codegen, duplicates = "refuse" } = options
  let plan = Plan.make(options)
  if (shape === "object" && duplicates === "refuse") refuseDuplicates(plan)
  if (shape === "object" && duplicates === "suffix") {
    const names = suffixedNames(plan.map(({ name }) => name))
    plan = plan.map((column, i) => ({ ...column, name: names[i]! }))
  }
  const interpreted = Interpreted.make<Row>(plan, shape)
  if (codegen !== undefined) return Generated.make(plan, shape, codegen, interpreted)
  const uses = new UseCount(rowsBeforeGenerating)
  let read = interpreted
  return (bytes, start, end) => {
    if (uses.reaches()) read = Generated.make(plan, shape, undefined, interpreted)
    return read(bytes, start, end)
  }
}

const refuseDuplicates = (columns: ReadonlyArray<Plan.Column>): void => {
  const seen = new Map<string, number>()
  for (const [index, { format, name, typeName }] of columns.entries()) {
    const first = seen.get(name)
    if (first !== undefined) {
      throw ValueError.atColumn(
        ValueError.reason(
          "DuplicateColumn",
          typeName,
          format,
          "names that differ; rename one with AS, read rows as arrays, or choose one with Preset.withDuplicates",
          `the name of column ${first} again`
        ),
        name,
        index
      )
    }
    seen.set(name, index)
  }
}

/**
 * Creates a reader of rows as objects, keyed by column name.
 *
 * **Details**
 *
 * The objects are plain data: any column name is safe, including `__proto__`, which becomes an own property. Duplicate
 * column names are rejected (`DuplicateColumn`) unless `duplicates` allows them. Throws a plain `ValueError.Reason`, as
 * the reader does.
 *
 * @see {@link objects} for a `Result` instead of exceptions
 *
 * @category constructors
 * @since 0.1.0
 */
export const objectsUnsafe = (options: Options): RowReader<ObjectRow> => compile(options, "object")

/**
 * Creates a reader of rows as arrays in column order. Column names may be duplicates. Throws a plain
 * `ValueError.Reason`, as the reader does.
 *
 * @see {@link arrays} for a `Result` instead of exceptions
 *
 * @category constructors
 * @since 0.1.0
 */
export const arraysUnsafe = (options: Options): RowReader<ArrayRow> => compile(options, "array")

const toResult = <A>(make: () => A): Result.Result<A, ValueError.ValueError> =>
  Result.try({ try: make, catch: ValueError.fromThrown })

/**
 * Like {@link objectsUnsafe}, but returns a failure for invalid columns. The reader itself still throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objects = (options: Options): Result.Result<RowReader<ObjectRow>, ValueError.ValueError> =>
  toResult(() => objectsUnsafe(options))

/**
 * Like {@link arraysUnsafe}, but returns a failure for invalid columns. The reader itself still throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arrays = (options: Options): Result.Result<RowReader<ArrayRow>, ValueError.ValueError> =>
  toResult(() => arraysUnsafe(options))
