/**
 * Rows in the format of PostgreSQL's `COPY ... FROM STDIN (FORMAT binary)`: a header, the rows, and a trailer. Message
 * boundaries have no meaning, so the bytes may be split anywhere.
 *
 * The server does not convert values: each type must be exactly that of the column. The server decides whether a column
 * may be NULL; with `nullable: false` a NULL is rejected before anything is sent.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import { writeHeader as writeSignature } from "./internal/copy/binaryReader.ts"
import { signature } from "./internal/copy/pgBinary.ts"
import * as Writer from "./internal/writers/compile.ts"
import type { ArrayRow, ObjectRow } from "./RowReader.ts"
import type { Options, RowWriter } from "./RowWriter.ts"

/**
 * Writes the 19-byte header of the stream: a signature, no flags, no extension.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeHeader = (out: ByteWriter): void => writeSignature(out, signature)

/**
 * Writes the two-byte trailer of the stream.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeTrailer = (out: ByteWriter): void => out.int16(-1)

/**
 * Creates a writer of rows that are objects, keyed by column name. It rejects a property that is missing or
 * `undefined`: NULL is `null`.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason` if a type has no binary format.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objectsUnsafe = (options: Options): RowWriter<ObjectRow> =>
  Writer.make(options.columns, "object", "postgres", options.codegen)

/**
 * Creates a writer of rows that are arrays, with one value per column. Throws as {@link objectsUnsafe} does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arraysUnsafe = (options: Options): RowWriter<ArrayRow> =>
  Writer.make(options.columns, "array", "postgres", options.codegen)
