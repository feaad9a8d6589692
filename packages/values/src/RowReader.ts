/**
 * Rows out of DataRow messages, by a function that is compiled once for the columns of a result.
 *
 * The function reads each column straight out of the frame into an object or an array, without a list of ranges in
 * between. What it returns shares no memory with the frame. A row that is wrong makes it throw a plain
 * `ValueError.Reason`; the frame's end is known, so the rows behind it can still be read.
 *
 * A value of a type that nobody knows, or that does not exist in the format, is handed over as what it is: a string in text,
 * an `UnknownValue` with its bytes in the binary formats.
 *
 * There are two back ends with the same behaviour. Generated code is the faster one, but it pays only after some rows: a
 * reader begins with closures and changes over by itself. Where `new Function` is forbidden it stays with closures.
 *
 * @since 0.1.0
 */
import * as Wire from "@hyperfect/protocol/Wire"
import * as Result from "effect/Result"
import * as JsonReader from "./internal/jsonReader.ts"
import * as Closures from "./internal/rowClosures.ts"
import * as Generated from "./internal/rowGenerated.ts"
import * as Plan from "./internal/rowPlan.ts"
import type * as Type from "./Type.ts"
import type * as TypeRegistry from "./TypeRegistry.ts"
import * as ValueError from "./ValueError.ts"

/**
 * What a reader has to know of a column: a part of RowDescription's fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly typeOid: number
  readonly typeModifier: number
  /** The type to read it by; what the registry has for `typeOid` when left out. */
  readonly type?: Type.Any | undefined
}

/**
 * Reads the row in the body of a DataRow message, which is `bytes[start, end)` and begins with the number of columns.
 *
 * @category models
 * @since 0.1.0
 */
export type RowReader<Row> = (bytes: Uint8Array, start: number, end: number) => Row

/**
 * A row by the names of its columns. `null` is NULL.
 *
 * @category models
 * @since 0.1.0
 */
export type ObjectRow = { readonly [name: string]: unknown }

/**
 * A row by the positions of its columns. `null` is NULL.
 *
 * @category models
 * @since 0.1.0
 */
export type ArrayRow = ReadonlyArray<unknown>

/**
 * What has to be known of a result to read its rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly columns: ReadonlyArray<Column>
  /**
   * The format of each column, or of all. It is what Bind asked for: RowDescription is not to be believed, as Hyper always
   * says text in it.
   */
  readonly formats: Type.Format | ReadonlyArray<Type.Format>
  /** What knows the types of columns that do not say theirs; `TypeRegistry.builtIn` when left out. */
  readonly registry?: TypeRegistry.TypeRegistry | undefined
  /** A back end to keep to from the first row on. */
  readonly backEnd?: Wire.BackEnd | undefined
}

/** How many rows a reader reads with closures first: about where the cost of generating code is earned back (measured). */
const rowsBeforeGenerating = 512

/** Beyond this many columns code that reads them all is optimised less and less well, and closures are faster (measured). */
const maxGeneratedColumns = 128

const generate = <Row>(
  plan: ReadonlyArray<Plan.Column>,
  shape: "object" | "array",
  closures: RowReader<Row>
): RowReader<Row> => {
  const learning = plan.map(JsonReader.learning)
  return plan.length <= maxGeneratedColumns
    ? Generated.make(learning, shape, closures)
    : shape === "object"
    ? Generated.wide(learning, Closures.make<ArrayRow>(learning, "array"))
    : Closures.make(learning, "array")
}

const compile = <Row>(options: Options, shape: "object" | "array"): RowReader<Row> => {
  const { backEnd } = options
  const plan = Plan.make(options)
  if (shape === "object") refuseDuplicates(plan)
  const closures = Closures.make<Row>(plan, shape)
  if (backEnd === "closures" || Wire.defaultBackEnd === "closures") return closures
  if (backEnd === "generated") return generate(plan, shape, closures)
  let rows = 0
  let read = closures
  return (bytes, start, end) => {
    if (rows < rowsBeforeGenerating && ++rows === rowsBeforeGenerating) read = generate(plan, shape, closures)
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
          "names that differ; rename one with AS, or read rows as arrays",
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
 * A reader of rows as objects, by the names of the columns.
 *
 * **Details**
 *
 * The objects are plain data: any name is safe, `__proto__` as well, which becomes an own property. Two columns of one name
 * are refused (`DuplicateColumn`), because one would hide the other; read them as arrays or give one another name. Throws a
 * plain `ValueError.Reason`, as the reader does.
 *
 * @see {@link objects} for a `Result` instead of exceptions
 *
 * @category constructors
 * @since 0.1.0
 */
export const objectsUnsafe = (options: Options): RowReader<ObjectRow> => compile(options, "object")

/**
 * A reader of rows as arrays, by the positions of the columns, which may have any names. Throws a plain
 * `ValueError.Reason`, as the reader does.
 *
 * @see {@link arrays} for a `Result` instead of exceptions
 *
 * @category constructors
 * @since 0.1.0
 */
export const arraysUnsafe = (options: Options): RowReader<ArrayRow> => compile(options, "array")

const attempt = <A>(make: () => A): Result.Result<A, ValueError.ValueError> =>
  Result.try({ try: make, catch: ValueError.fromThrown })

/**
 * As {@link objectsUnsafe}, with what is wrong with the columns as a failure. The reader itself still throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objects = (options: Options): Result.Result<RowReader<ObjectRow>, ValueError.ValueError> =>
  attempt(() => objectsUnsafe(options))

/**
 * As {@link arraysUnsafe}, with what is wrong with the columns as a failure. The reader itself still throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arrays = (options: Options): Result.Result<RowReader<ArrayRow>, ValueError.ValueError> =>
  attempt(() => arraysUnsafe(options))
