/**
 * The capabilities of servers, by which a client chooses the messages and statements that it sends.
 *
 * A session detects the dialect of its server at login. The `dialect` option of a configuration overrides single
 * capabilities, for poolers and for other servers that speak PostgreSQL's protocol.
 *
 * **Example** (A pooler without named statements and cancel requests)
 *
 * ```ts
 * import { ConnectionConfig, Dialect } from "@hyperfect/client"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const config = Effect.runSync(ConnectionConfig.fromUri("postgresql://app@pooler.example/shop"))
 * const dialect = { namedStatements: false, cancel: false }
 * const pooled: ConnectionConfig.ConnectionConfig = { ...config, dialect }
 *
 * const found = Dialect.detect(new Map([["server_version", "18.0"]]), pooled.dialect)
 * assert.deepEqual([found.name, found.namedStatements, found.rowLimits], ["postgres", false, true])
 * ```
 *
 * @since 0.1.0
 */
import type * as Type from "@hyperfect/values/Type"
import type { TransactionOptions } from "./Queries.ts"

/**
 * The capabilities of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialect {
  /** The server as errors name it: `"hyper"`, or `"postgres"` for all others that speak its protocol. */
  readonly name: "hyper" | "postgres"
  /** The attribute `db.system.name` of spans and metrics. */
  readonly systemName: string
  /** True if the configuration overrides capabilities. */
  readonly isOverridden: boolean
  /**
   * The session keeps statements that are prepared under a name. False for poolers in transaction mode without prepared
   * statements: statements are sent unnamed, in one group each, and `prepare` is refused. On Hyper only `prepare` uses
   * them: a statement whose table was dropped and created again continues to read the old one (H-06).
   */
  readonly namedStatements: boolean
  /**
   * Parse may leave types of parameters to the server, and Describe reports those that it chose. Statements are then kept
   * prepared. Hyper requires one type per parameter, and reports 0 for those that it chose (H-07).
   */
  readonly inferredTypes: boolean
  /**
   * The binary form of values: PostgreSQL's, or HyperBinary (little-endian). Parameters whose types the server chose are
   * sent in PostgreSQL's.
   */
  readonly valueEncoding: "hyper" | "postgres"
  /** The format of results whose column types are not known in advance: text, or HyperBinary. */
  readonly resultFormat: Type.Format
  /** RowDescription reports the format of each column. Hyper always reports 0 (H-08). */
  readonly reportedFormats: boolean
  /**
   * The text of a floating-point number has all of its digits; before PostgreSQL 12 the session sets
   * `extra_float_digits` for that. Hyper's text has 15 (H-09).
   */
  readonly exactFloats: boolean
  /**
   * Execute may have a row limit (protocol, "Extended Query"). Hyper loses rows, and the server may end (H-10):
   * without it a stream ignores its `fetchSize`.
   */
  readonly rowLimits: boolean
  /**
   * All statements up to a Sync run in one transaction (protocol, "Pipelining"). Hyper commits each (H-11): without
   * it a batch is sent as a transaction.
   */
  readonly batches: boolean
  /** FETCH may be sent by the extended protocol. It ends Hyper's server (H-12). */
  readonly extendedFetch: boolean
  /** The server has the protocol's function call; otherwise `call` is refused. */
  readonly functionCalls: boolean
  /**
   * Types that are not built in are looked up in `pg_catalog`, and columns to copy into as well. Without it, values of
   * these types are read as text. Hyper has no user-defined types.
   */
  readonly catalogueLookups: boolean
  /** The server has savepoints; otherwise a transaction in a transaction is refused, and none is sent. */
  readonly savepoints: boolean
  /**
   * Look-ups and doubtful preparations inside a transaction are guarded by savepoints. Detected: Redshift, Materialize
   * and others without savepoints do not report both `session_authorization` and `IntervalStyle`.
   */
  readonly guards: boolean
  /**
   * The isolation levels that the server honours; DEFERRABLE is part of `serializable`. All transactions of Hyper read
   * the state as of their beginning, so that two of them can each miss the other's writes, although it accepts
   * `serializable` (H-13).
   */
  readonly isolations: ReadonlyArray<NonNullable<TransactionOptions["isolation"]>>
  /** The access modes that the server honours. Hyper accepts `read only`, and writes (H-14). */
  readonly accessModes: ReadonlyArray<NonNullable<TransactionOptions["access"]>>
  /** `set_config` makes settings for one transaction; without it those of `TransactionOptions` are refused. */
  readonly localSettings: boolean
  /**
   * A failed transaction remains failed until it is rolled back. Hyper clears this with the next statement of the
   * extended protocol, and would then commit what the failed statement had done (H-15): the client refuses what
   * follows.
   */
  readonly failedTransactions: boolean
  /** Cancel requests reach the session. Without it, an interrupted statement ends in its own time, and is drained. */
  readonly cancel: boolean
  /**
   * The statements by which a pool resets a session, and which keep its prepared statements or are DISCARD ALL; if
   * absent, a changed session is closed instead. Hyper cannot reset a session.
   */
  readonly reset: string | undefined
  /** The server has LISTEN and NOTIFY. */
  readonly notifications: boolean
  /** The server has logical replication, and may be a standby. */
  readonly replication: boolean
  /** A session without a database gets the one named after its user. */
  readonly userDatabase: boolean
  /** Databases are files, named by their paths, which a session attaches and detaches. */
  readonly fileDatabases: boolean
  /** The COPY format for columns whose types all have a binary form. HyperBinary does not mark NULL values. */
  readonly copyFormat: "binary" | "hyperBinary" | "text"
  /** COPY has the option ENCODING. Hyper has UTF-8 alone. */
  readonly copyEncoding: boolean
  /**
   * An open COPY into a table blocks its readers, and some of them block all sessions (H-39): rows are collected for
   * the first message before a COPY is opened.
   */
  readonly copyBlocksReaders: boolean
}

/**
 * The capabilities to override.
 *
 * @category models
 * @since 0.1.0
 */
export interface Overrides extends Partial<Omit<Dialect, "name" | "isOverridden">> {}

/** The capabilities of PostgreSQL and of Hyper. */
const table: { readonly [Name in keyof Dialect]: readonly [postgres: Dialect[Name], hyper: Dialect[Name]] } = {
  name: ["postgres", "hyper"],
  systemName: ["postgresql", "hyper"],
  isOverridden: [false, false],
  namedStatements: [true, true],
  inferredTypes: [true, false],
  valueEncoding: ["postgres", "hyper"],
  resultFormat: [0, 2],
  reportedFormats: [true, false],
  exactFloats: [true, false],
  rowLimits: [true, false],
  batches: [true, false],
  extendedFetch: [true, false],
  functionCalls: [true, false],
  catalogueLookups: [true, false],
  savepoints: [true, false],
  guards: [true, false],
  isolations: [["read committed", "repeatable read", "serializable"], ["read committed", "repeatable read"]],
  accessModes: [["read only", "read write"], ["read write"]],
  localSettings: [true, false],
  failedTransactions: [true, false],
  cancel: [true, true],
  // What DISCARD ALL does, except that it keeps the client's prepared statements, which are useful to the next user and
  // contain nothing of the last one (PostgreSQL, "DISCARD").
  reset: [
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); " +
    "DISCARD TEMP; DISCARD SEQUENCES",
    undefined
  ],
  notifications: [true, false],
  replication: [true, false],
  userDatabase: [true, false],
  fileDatabases: [false, true],
  copyFormat: ["binary", "hyperBinary"],
  copyEncoding: [true, false],
  copyBlocksReaders: [false, true]
}

const column = (index: 0 | 1): Dialect =>
  Object.fromEntries(Object.entries(table).map(([name, values]) => [name, values[index]])) as unknown as Dialect

/**
 * PostgreSQL.
 *
 * @category constants
 * @since 0.1.0
 */
export const postgres: Dialect = column(0)

/**
 * Tableau's Hyper.
 *
 * @category constants
 * @since 0.1.0
 */
export const hyper: Dialect = column(1)

/**
 * CockroachDB, for the option `dialect`.
 *
 * **Details**
 *
 * It refuses UNLISTEN, and COPY TO in binary. The page `servers.md` names the public documents on which these values
 * are based.
 *
 * @category presets
 * @since 0.1.0
 */
export const cockroachdb = {
  systemName: "cockroachdb",
  functionCalls: false,
  reset: "DISCARD ALL",
  notifications: false,
  replication: false,
  copyFormat: "text",
  copyEncoding: false
} as const satisfies Overrides

/**
 * Amazon Redshift, for the option `dialect`.
 *
 * @category presets
 * @since 0.1.0
 */
export const redshift = {
  systemName: "aws.redshift",
  functionCalls: false,
  catalogueLookups: false,
  savepoints: false,
  isolations: ["serializable"],
  localSettings: false,
  reset: undefined,
  notifications: false,
  replication: false,
  copyFormat: "text",
  copyEncoding: false
} as const satisfies Overrides

/**
 * Materialize, for the option `dialect`.
 *
 * @category presets
 * @since 0.1.0
 */
export const materialize = { ...redshift, systemName: "materialize", reset: "DISCARD ALL" } as const satisfies Overrides

/**
 * QuestDB, for the option `dialect`.
 *
 * @category presets
 * @since 0.1.0
 */
export const questdb = {
  ...redshift,
  systemName: "questdb",
  exactFloats: false,
  isolations: [],
  accessModes: []
} as const satisfies Overrides

/**
 * Neon's pooled host, and PgBouncer in transaction mode with `max_prepared_statements`, for the option `dialect`.
 *
 * @category presets
 * @since 0.1.0
 */
export const neonPooler = { reset: undefined, notifications: false, replication: false } as const satisfies Overrides

/**
 * Supavisor in transaction mode, and other poolers of this kind without prepared statements, for the option `dialect`.
 *
 * @category presets
 * @since 0.1.0
 */
export const transactionPooler = { ...neonPooler, namedStatements: false } as const satisfies Overrides

/**
 * Amazon RDS Proxy, for the option `dialect`: nothing that pins a connection, and no cancel requests.
 *
 * @category presets
 * @since 0.1.0
 */
export const rdsProxy = { ...transactionPooler, cancel: false } as const satisfies Overrides

/**
 * Returns the dialect of a server by the settings that it reports at login.
 *
 * **Details**
 *
 * A server is Hyper if it reports `hyper_version`. Any other is assumed to be PostgreSQL.
 *
 * @category constructors
 * @since 0.1.0
 */
export const detect = (parameters: ReadonlyMap<string, string>, overrides?: Overrides): Dialect => {
  const found = parameters.has("hyper_version") ? hyper : postgres
  const guards = found.guards && parameters.has("session_authorization") && parameters.has("IntervalStyle")
  return overrides === undefined
    ? { ...found, guards }
    : { ...found, isOverridden: true, guards: overrides.savepoints ?? guards, ...overrides }
}
