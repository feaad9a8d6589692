/**
 * Rows in the format of Hyper's `COPY ... FROM STDIN WITH (FORMAT HYPERBINARY)`: one header, then the rows, without an
 * end marker. Message boundaries have no meaning, so the bytes may be split anywhere.
 *
 * The stream does not say which columns may be NULL. A server whose table differs reads garbage or reports an end of
 * file: the columns must be exactly those of the table, in the order of the COPY statement.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import { writeHeader as writeSignature } from "./internal/copy/binaryReader.ts"
import { signature } from "./internal/copy/hyperBinary.ts"
import * as Writer from "./internal/writers/compile.ts"
import type { ArrayRow, ObjectRow } from "./RowReader.ts"
import type { Options, RowWriter } from "./RowWriter.ts"

/**
 * Writes the 19-byte header of the stream: a signature, no flags, no extension. Its integers are big-endian, unlike
 * those of the rows. A second header would be read as a row.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeHeader = (out: ByteWriter): void => writeSignature(out, signature)

/**
 * Creates a writer of rows that are objects, keyed by column name. It rejects a property that is missing or
 * `undefined`: NULL is `null`.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason` if a type has no HyperBinary format.
 *
 * @category constructors
 * @since 0.1.0
 */
export const objectsUnsafe = (options: Options): RowWriter<ObjectRow> =>
  Writer.make(options.columns, "object", "hyper", options.codegen)

/**
 * Creates a writer of rows that are arrays, with one value per column. Throws as {@link objectsUnsafe} does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const arraysUnsafe = (options: Options): RowWriter<ArrayRow> =>
  Writer.make(options.columns, "array", "hyper", options.codegen)
