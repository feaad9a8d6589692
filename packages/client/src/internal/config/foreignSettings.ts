/**
 * Parameters of other clients' connection strings, such as those that hosting providers issue.
 *
 * @since 0.1.0
 */

const searchPath = "options=-c%20search_path%3DNAME"

/** The client that each belongs to, and its replacement. */
const foreign: Readonly<Record<string, readonly [owner: string, instead: string]>> = {
  pgbouncer: ["Prisma", "leave it out, and set statementCacheSize to 0 where the pooler keeps no prepared statements"],
  schema: ["Prisma", `use ${searchPath}`],
  connection_limit: ["Prisma", "leave it out, and set max of the pool"],
  pool_timeout: ["Prisma", "leave it out, and set acquireTimeout of the pool"],
  socket_timeout: ["Prisma", "leave it out, and set queryTimeout"],
  statement_cache_size: ["Prisma", "leave it out, and set statementCacheSize"],
  sslaccept: ["Prisma", "use sslmode=verify-full for strict, sslmode=require for accept_invalid_certs"],
  sslidentity: ["Prisma", "use sslcert and sslkey"],
  uselibpqcompat: ["node-postgres", "leave it out: sslmode means here what it means in libpq"],
  currentschema: ["JDBC", `use ${searchPath}`],
  applicationname: ["JDBC", "use application_name"],
  logintimeout: ["JDBC", "use connect_timeout"],
  sockettimeout: ["JDBC", "leave it out, and set queryTimeout"],
  preparethreshold: ["JDBC", "leave it out, and set statementCacheSize"],
  binary_parameters: ["lib/pq", "leave it out"],
  default_query_exec_mode: ["pgx", "leave it out, and set statementCacheSize"],
  statement_cache_capacity: ["pgx", "leave it out, and set statementCacheSize"],
  pool_max_conns: ["pgx", "leave it out, and set max of the pool"],
  pool_min_conns: ["pgx", "leave it out, and set min of the pool"],
  pool_max_conn_lifetime: ["pgx", "leave it out, and set maxLifetime of the pool"],
  pool_max_conn_idle_time: ["pgx", "leave it out, and set idleTimeout of the pool"],
  prepared_statement_cache_size: ["SQLAlchemy", "leave it out, and set statementCacheSize"],
  pool_size: ["an object-relational mapper", "leave it out, and set max of the pool"]
}

/** Server settings that other clients accept as parameters; in libpq they go into `options`. */
const serverSettings: ReadonlySet<string> = new Set([
  "search_path",
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
  "default_transaction_read_only",
  "default_transaction_isolation",
  "timezone",
  "datestyle",
  "role",
  "work_mem",
  "jit"
])

/**
 * Explains why a parameter is not one of libpq's, with its replacement; `undefined` for an unknown one.
 *
 * @internal
 */
export const explainForeignSetting = (key: string): string | undefined => {
  const name = key.toLowerCase()
  if (serverSettings.has(name)) return `is a setting of the server; use options=-c%20${name}%3DVALUE`
  if (!Object.hasOwn(foreign, name)) return undefined
  const [owner, instead] = foreign[name]!
  return `is a parameter of ${owner}, not of libpq; ${instead}`
}
