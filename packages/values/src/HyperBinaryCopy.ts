/**
 * Rows in the bytes of Hyper's `COPY ... FROM STDIN WITH (FORMAT HYPERBINARY)`: the header once, then row behind row,
 * without an end mark. Where a message ends means nothing, so the bytes may be cut anywhere.
 *
 * Nothing in the stream says which columns may be NULL, and a server whose table says otherwise reads garbage or reports an
 * end of file: the columns must be exactly those of the table, in the order of the COPY statement.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Result from "effect/Result"
import { signature } from "./internal/copyHyperBinary.ts"
import { writeHeader as writeSignature } from "./internal/copyPieces.ts"
import * as Writer from "./internal/rowWriter.ts"
import type { ArrayRow, ObjectRow } from "./RowReader.ts"
import type { Options, RowWriter } from "./RowWriter.ts"
import * as ValueError from "./ValueError.ts"

/**
 * Writes the 19 bytes with which the stream begins: a signature, no flags, no extension. The integers in it are big-endian,
 * unlike everything behind them. A header that comes twice would be read as a row.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeHeader = (out: ByteWriter): void => writeSignature(out, signature)

/**
 * A writer of rows that are objects, by the names of the columns. A property that is missing or `undefined` is refused:
 * NULL is `null`.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason` when a type does not exist in HyperBinary.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objectsUnsafe = (options: Options): RowWriter<ObjectRow> =>
  Writer.make(options.columns, "object", "hyper", options.backEnd)

/**
 * A writer of rows that are arrays, with one value a column. Throws as {@link objectsUnsafe} does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arraysUnsafe = (options: Options): RowWriter<ArrayRow> =>
  Writer.make(options.columns, "array", "hyper", options.backEnd)

/**
 * As {@link objectsUnsafe}, with what is wrong with the columns as a failure. The writer itself still throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objects = (options: Options): Result.Result<RowWriter<ObjectRow>, ValueError.ValueError> =>
  Result.try({ try: () => objectsUnsafe(options), catch: ValueError.fromThrown })

/**
 * As {@link arraysUnsafe}, with what is wrong with the columns as a failure. The writer itself still throws.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arrays = (options: Options): Result.Result<RowWriter<ArrayRow>, ValueError.ValueError> =>
  Result.try({ try: () => arraysUnsafe(options), catch: ValueError.fromThrown })
