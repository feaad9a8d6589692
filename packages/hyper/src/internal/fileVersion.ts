/**
 * The versions of the file format, and the types that each can store (H-45).
 *
 * @internal
 */
import type { ClientError } from "@hyperfect/client/Client"
import * as Effect from "effect/Effect"
import { DatabaseVersionError } from "../DatabaseVersionError.ts"

/** The version of new files: all types but `real`, and readable by Tableau 2022.4.1 and later. */
export const defaultVersion = 3

/** A column with its type as in CREATE TABLE. */
export interface TypedColumn {
  readonly name: string
  readonly type: string
}

/** Returns the first version that can store the type. */
const versionOf = (type: string): 2 | 3 | 4 =>
  type === "real" ? 4 : Number(/^numeric\((\d+)/.exec(type)?.[1]) > 18 ? 3 : 2

/** Returns the error for columns that a version cannot store; for version 1, those that not every version stores. */
export const unsupportedColumns = (
  table: string,
  columns: ReadonlyArray<TypedColumn>,
  version: number,
  cause?: unknown
): DatabaseVersionError | undefined => {
  const unsupported = columns
    .map(({ name, type }) => ({ name, type, version: versionOf(type) }))
    .filter((column) => column.version > Math.max(version, 2))
  if (unsupported.length === 0) return undefined
  const requiredVersion = Math.max(...unsupported.map((column) => column.version))
  return new DatabaseVersionError({ table, columns: unsupported, requiredVersion, cause })
}

/**
 * Names the columns that the file cannot store if the creation of their table fails. The server reports none, and under
 * a condition of many causes.
 */
export const mapUnsupported = <A, R>(
  creation: Effect.Effect<A, ClientError, R>,
  table: string,
  columns: ReadonlyArray<TypedColumn>
): Effect.Effect<A, ClientError | DatabaseVersionError, R> =>
  Effect.mapError(creation, (error) =>
    error._tag === "ServerError" && error.reason._tag === "FeatureNotSupported"
      ? unsupportedColumns(table, columns, 2, error) ?? error
      : error)
