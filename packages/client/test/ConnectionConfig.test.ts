import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Redacted } from "effect"
import { inspect } from "node:util"

const { fromUri } = ConnectionConfig

/** Parses a URI, with the password as plain text. */
const parseUri = (uri: string) =>
  Effect.map(fromUri(uri), ({ password, ...config }) => ({
    ...config,
    ...(Redacted.isRedacted(password) ? { password: Redacted.value(password) } : {})
  }))

const tcp = Endpoint.tcp

describe("fromUri", () => {
  it.effect.each<readonly [uri: string, config: object]>([
    ["postgresql://app@db", { user: "app", endpoint: tcp("db", 5432) }],
    ["postgres://app@db:7483/shop", { user: "app", endpoint: tcp("db", 7483), database: "shop" }],
    ["postgresql://app:secret@db/", { user: "app", password: "secret", endpoint: tcp("db", 5432) }],
    ["postgresql://app:@db/", { user: "app", endpoint: tcp("db", 5432) }],
    ["postgresql://app@/shop", { user: "app", endpoint: tcp("localhost", 5432), database: "shop" }],
    ["postgresql://app@:7483", { user: "app", endpoint: tcp("localhost", 7483) }],
    ["postgresql:///shop?user=app", { user: "app", endpoint: tcp("localhost", 5432), database: "shop" }],
    ["postgresql://?user=app&host=db&port=1", { user: "app", endpoint: tcp("db", 1) }],
    ["postgresql://app@[::1]:7483/x", { user: "app", endpoint: tcp("::1", 7483), database: "x" }],
    ["postgresql://app@%2Ftmp/x", { user: "app", endpoint: Endpoint.unix("/tmp/.s.PGSQL.5432"), database: "x" }],
    ["postgresql://app@/x?host=/run/pg&port=7", {
      user: "app",
      endpoint: Endpoint.unix("/run/pg/.s.PGSQL.7"),
      database: "x"
    }],
    ["postgresql://%C3%A4%40b:p%3A%2F%3F%23%5B%5D%40%25w@db/a%2Fb.hyper", {
      user: "ä@b",
      password: "p:/?#[]@%w",
      endpoint: tcp("db", 5432),
      database: "a/b.hyper"
    }],
    ["postgresql://app@db?dbname=x&password=a%26b", {
      user: "app",
      password: "a&b",
      endpoint: tcp("db", 5432),
      database: "x"
    }],
    ["postgresql://app@db?sslmode=verify-full&application_name=my%20app&options=-c%20a%3Db&connect_timeout=3", {
      user: "app",
      endpoint: tcp("db", 5432),
      sslMode: "verify-full",
      applicationName: "my app",
      options: "-c a=b",
      connectTimeout: 3000
    }],
    // As in libpq, the last of two values counts, and an empty value is the default.
    ["postgresql://app@db/x?dbname=&host=&port=&password=", { user: "app", endpoint: tcp("localhost", 5432) }],
    ["postgresql://app@db/x?dbname=y&user=z", { user: "z", endpoint: tcp("db", 5432), database: "y" }]
  ])("reads %s", ([uri, config]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual<object>(yield* parseUri(uri), config)
    }))

  it.effect.each<readonly [uri: string, setting: string, problem?: string]>([
    ["", "uri"],
    ["db.example", "uri"],
    ["mysql://app@db", "uri"],
    ["postgresql:app@db", "uri"],
    ["postgresql://app@db#x", "host"],
    ["postgresql://db/shop", "user", "is missing"],
    ["postgresql://app@db:0/", "port"],
    ["postgresql://app@db:65536/", "port"],
    ["postgresql://app@db:x/", "port"],
    ["postgresql://app@db:5432:1/", "port"],
    ["postgresql://app@[::1/", "host", "is an IPv6 address without its closing bracket"],
    ["postgresql://app@a,b,c?port=1,2", "port", "has 2 ports for 3 hosts"],
    ["postgresql://app@db?port=-1", "port"],
    ["postgresql://app@db?sslmode", "uri", "a parameter of the query has no value"],
    [
      "postgresql://app@db?sslmode=on",
      "sslmode",
      "must be one of disable, allow, prefer, require, verify-ca, verify-full"
    ],
    ["postgresql://app@db?ssl_mode=require", "ssl_mode", "is not a setting; did you mean sslmode?"],
    ["postgresql://app@db?pasword=secret", "pasword", "is not a setting; did you mean password?"],
    ["postgresql://app@db?__proto__=1", "__proto__"],
    [
      "postgresql://app@db?pgbouncer=true",
      "pgbouncer",
      "is a parameter of Prisma, not of libpq; leave it out, and set statementCacheSize to 0 where the pooler keeps no " +
      "prepared statements"
    ],
    [
      "postgresql://app@db?schema=shop",
      "schema",
      "is a parameter of Prisma, not of libpq; use options=-c%20search_path%3DNAME"
    ],
    [
      "postgresql://app@db?sslmode=require&uselibpqcompat=true",
      "uselibpqcompat",
      "is a parameter of node-postgres, not of libpq; leave it out: sslmode means here what it means in libpq"
    ],
    [
      "postgresql://app@db?pool_timeout=10",
      "pool_timeout",
      "is a parameter of Prisma, not of libpq; leave it out, and set acquireTimeout of the pool"
    ],
    [
      "postgresql://app@db?currentSchema=shop",
      "currentSchema",
      "is a parameter of JDBC, not of libpq; use options=-c%20search_path%3DNAME"
    ],
    [
      "postgresql://app@db?statement_timeout=5000",
      "statement_timeout",
      "is a setting of the server; use options=-c%20statement_timeout%3DVALUE"
    ],
    ["postgresql://app@db?constructor=1", "constructor"],
    ["postgresql://app@db?Host=x", "Host", "is not a setting; did you mean host?"],
    ["postgresql://app@db?connect_timeout=1.5", "connect_timeout", "must be a whole number of seconds"],
    ["postgresql://app@db?connect_timeout=", "connect_timeout"],
    ["postgresql://app@db/%zz", "dbname", "is not percent-encoded UTF-8"],
    ["postgresql://app:%ff@db/", "password", "is not percent-encoded UTF-8"],
    ["postgresql://a%00b@db/", "user", "may not hold a zero character"]
  ])("refuses %s", ([uri, setting, problem]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromUri(uri))
      assert.strictEqual(error._tag, "ConnectionConfigError")
      assert.strictEqual(error.setting, setting)
      if (problem !== undefined) assert.strictEqual(error.problem, problem)
      assert.strictEqual(error.message, `${error.setting}: ${error.problem}`)
      assert.isFalse(error.isRetryable)
    }))

  it.effect.each([
    "postgresql://app:p@ss@db/shop",
    "postgresql://app:p/ss@db/shop",
    "postgresql://app:12/ss@db/shop",
    "postgresql://app:p/s#s@db/shop?sslmode=require",
    "postgresql://a@b:p@db/shop",
    "postgresql://app:p@s/s@db",
    "postgresql://app:1/s?s=s@db/shop"
  ])("suggests percent-encoding if a password breaks %s", (uri) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromUri(uri))
      assert.strictEqual(error.setting, "uri")
      assert.include(error.problem, "percent-encode @ as %40, / as %2F")
    }))

  it.effect("accepts harmless reserved characters in a password, and an @ in a query", () =>
    Effect.gen(function*() {
      const read = (uri: string) => Effect.map(parseUri(uri), ({ password, user }) => [user, password])
      assert.deepStrictEqual(yield* read("postgresql://app:p#s?s:x@db/shop"), ["app", "p#s?s:x"])
      assert.deepStrictEqual(yield* read("postgresql://app@db/shop%40x?password=a@b"), ["app", "a@b"])
      const { problem, setting } = yield* Effect.flip(fromUri("postgresql://db/shop?pgbouncer=true&user=me@x"))
      assert.strictEqual(setting, "pgbouncer")
      assert.include(problem, "Prisma")
    }))

  it.effect.each([
    "postgresql://app:s3cret%zz@db",
    "postgresql://app:%00s3cret@db",
    "postgresql://app:s3cret@db:x",
    "postgresql://app:s3cret@db?nonsense=1",
    "postgresql://app@db?password=s3cret&nonsense=1",
    "postgresql://app@db?password=s3cret%zz",
    // A password that should have been percent-encoded is split in other places.
    "postgresql://app:s3cret/more@db",
    "postgresql://app:more@s3cret@db",
    "postgresql://app:more:s3cret@db:x",
    "postgresql://app:1/more?s3cret=x@db/shop?sslmode=require",
    "postgresql://app:1/more?x=y&s3cret=x@db/shop",
    "postgresql://app:1/more?s3cret=x=y@db/shop",
    "postgresql://app:1/more?s3cret=x y@db/shop",
    "postgresql://app:1/more?s3cret=%zz@db/shop"
  ])("never shows the password of %s", (uri) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromUri(uri))
      assert.notInclude(`${error.message} ${JSON.stringify(error)} ${String(error.stack)}`, "s3cret")
    }))

  it.effect("keeps the password from being printed", () =>
    Effect.gen(function*() {
      const config = yield* fromUri("postgresql://app:s3cret@db")
      assert.notInclude(JSON.stringify(config), "s3cret")
      assert.notInclude(inspect(config, { depth: 9 }), "s3cret")
    }))
})
