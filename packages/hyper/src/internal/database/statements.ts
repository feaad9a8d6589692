/**
 * The statements about databases.
 *
 * @internal
 */
import type { Queries } from "@hyperfect/client/Queries"
import type { QueryError } from "@hyperfect/client/QueryError"
import { identifier, literal } from "@hyperfect/client/Statement"
import * as Effect from "effect/Effect"
import * as DatabaseError from "../../DatabaseError.ts"
import type { DatabaseVersion } from "../../HyperOptions.ts"

/** @internal */
export interface CreateOptions {
  readonly ifNotExists?: boolean | undefined
  readonly version?: DatabaseVersion | undefined
}

/** @internal */
export interface DropOptions {
  readonly ifExists?: boolean | undefined
}

type Client<E> = Pick<Queries<E>, "simple">

/** A statement, whose text has no database as a parameter. */
const execute = <E = never>(
  client: Client<E>,
  path: string,
  text: string
): Effect.Effect<void, QueryError | E | DatabaseError.DatabaseError> =>
  Effect.asVoid(Effect.mapError(client.simple(text), (error) => DatabaseError.fromServer(error, path)))

export const attachSql = (path: string, name: string): string =>
  `ATTACH DATABASE ${identifier(path).text} AS ${identifier(name).text}`

export const attach = <E = never>(client: Client<E>, path: string, name: string) =>
  execute(client, path, attachSql(path, name))

/** A session that has a database in this mode excludes those that may write to it. */
export const attachReadOnlySql = (path: string, name: string): string =>
  `${attachSql(path, name)} WITH (access_mode = readonly)`

/** Attaches a database without changing its file. */
export const attachReadOnly = <E = never>(client: Client<E>, path: string, name: string) =>
  execute(client, path, attachReadOnlySql(path, name))

export const detachSql = (name: string): string => `DETACH DATABASE ${identifier(name).text}`

export const detach = <E = never>(client: Client<E>, name: string): Effect.Effect<void, QueryError | E> =>
  Effect.asVoid(client.simple(detachSql(name)))

/**
 * Fails if another session or another program may write to the database. A file that is missing, or that is no
 * database, is not used.
 */
export const checkUnused = <E = never>(client: Client<E>, path: string) =>
  attachReadOnly(client, path, "unused").pipe(
    Effect.andThen(detach(client, "unused")),
    Effect.catchReasons("DatabaseError", {
      Missing: () => Effect.void,
      Corrupt: () => Effect.void,
      VersionUnsupported: () => Effect.void
    })
  )

/** Releases all databases that a session has attached. */
export const detachAll = <E = never>(client: Client<E>): Effect.Effect<void, QueryError | E> =>
  Effect.asVoid(client.simple("DETACH DATABASE *"))

export const create = <E = never>(client: Client<E>, path: string, { ifNotExists, version }: CreateOptions) =>
  execute(
    client,
    path,
    `CREATE DATABASE ${ifNotExists === true ? "IF NOT EXISTS " : ""}${identifier(path).text}${
      version === undefined ? "" : ` WITH VERSION ${literal(version).text}`
    }`
  )

export const drop = <E = never>(client: Client<E>, path: string, { ifExists }: DropOptions) =>
  execute(client, path, `DROP DATABASE ${ifExists === true ? "IF EXISTS " : ""}${identifier(path).text}`)
