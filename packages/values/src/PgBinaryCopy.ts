/**
 * Rows in the bytes of PostgreSQL's `COPY ... FROM STDIN (FORMAT binary)`: the header, row behind row, and the trailer.
 * Where a message ends means nothing, so the bytes may be cut anywhere.
 *
 * The server converts nothing: each type must be exactly that of the column. Whether a column takes NULL is the server's to
 * say; with `nullable: false` a NULL is found before anything is sent.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Result from "effect/Result"
import { signature } from "./internal/copyBinary.ts"
import { writeHeader as writeSignature } from "./internal/copyPieces.ts"
import * as Writer from "./internal/rowWriter.ts"
import type { ArrayRow, ObjectRow } from "./RowReader.ts"
import type { Options, RowWriter } from "./RowWriter.ts"
import * as ValueError from "./ValueError.ts"

/**
 * Writes the 19 bytes with which the stream begins: a signature, no flags, no extension.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeHeader = (out: ByteWriter): void => writeSignature(out, signature)

/**
 * Writes the two bytes with which the stream ends.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeTrailer = (out: ByteWriter): void => out.int16(-1)

/**
 * A writer of rows that are objects, by the names of the columns. A property that is missing or `undefined` is refused:
 * NULL is `null`.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason` when a type does not exist in binary.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objectsUnsafe = (options: Options): RowWriter<ObjectRow> =>
  Writer.make(options.columns, "object", "postgres", options.backEnd)

/**
 * A writer of rows that are arrays, with one value a column. Throws as {@link objectsUnsafe} does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arraysUnsafe = (options: Options): RowWriter<ArrayRow> =>
  Writer.make(options.columns, "array", "postgres", options.backEnd)

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
