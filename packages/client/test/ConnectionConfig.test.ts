import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Redacted } from "effect"
import { inspect } from "node:util"

const { fromUri } = ConnectionConfig

/** What a URI comes to, with the password laid open. */
const read = (uri: string) =>
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
    // As in libpq, the last of two counts, and an empty value is the default.
    ["postgresql://app@db/x?dbname=&host=&port=&password=", { user: "app", endpoint: tcp("localhost", 5432) }],
    ["postgresql://app@db/x?dbname=y&user=z", { user: "z", endpoint: tcp("db", 5432), database: "y" }]
  ])("reads %s", ([uri, config]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual<object>(yield* read(uri), config)
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
    ["postgresql://app@db?sslmode=on", "sslmode", "is one of disable, allow, prefer, require, verify-ca, verify-full"],
    ["postgresql://app@db?ssl_mode=require", "ssl_mode", "is not a setting; did you mean sslmode?"],
    ["postgresql://app@db?pasword=secret", "pasword", "is not a setting; did you mean password?"],
    ["postgresql://app@db?__proto__=1", "__proto__"],
    ["postgresql://app@db?Host=x", "Host", "is not a setting; did you mean host?"],
    ["postgresql://app@db?connect_timeout=1.5", "connect_timeout", "is a whole number of seconds"],
    ["postgresql://app@db?connect_timeout=", "connect_timeout"],
    ["postgresql://app@db/%zz", "dbname", "is not percent-encoded UTF-8"],
    ["postgresql://app:%ff@db/", "password", "is not percent-encoded UTF-8"],
    ["postgresql://a%00b@db/", "user", "may not hold a zero character"]
  ])("refuses %s", ([uri, setting, problem]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromUri(uri))
      assert.strictEqual(error._tag, "ConfigError")
      assert.strictEqual(error.setting, setting)
      if (problem !== undefined) assert.strictEqual(error.problem, problem)
      assert.strictEqual(error.message, `${error.setting}: ${error.problem}`)
      assert.isFalse(error.isRetryable)
    }))

  it.effect.each([
    "postgresql://app:s3cret%zz@db",
    "postgresql://app:%00s3cret@db",
    "postgresql://app:s3cret@db:x",
    "postgresql://app:s3cret@db?nonsense=1",
    "postgresql://app@db?password=s3cret&nonsense=1",
    "postgresql://app@db?password=s3cret%zz",
    // A password that should have been percent-encoded is taken apart in other places.
    "postgresql://app:s3cret/more@db",
    "postgresql://app:more@s3cret@db",
    "postgresql://app:more:s3cret@db:x"
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
