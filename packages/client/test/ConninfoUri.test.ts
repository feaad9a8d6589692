/** The settings in a URI, before they are interpreted: the cases of PostgreSQL's own test of libpq, and more. */
import { assert, describe, it } from "@effect/vitest"
import * as Conninfo from "@hyperfect/client/Conninfo"
import { Effect, Redacted } from "effect"

/** Parses a text into its settings, with secrets as plain text, or the message of the error. */
const parse = (text: string) =>
  Effect.match(Conninfo.parse(text), {
    onFailure: (error) => error.message,
    onSuccess: (settings) =>
      Object.fromEntries(
        Array.from(
          settings,
          ([key, value]) => [key, String(Redacted.isRedacted(value) ? Redacted.value(value) : value)]
        )
      )
  })

describe("a URI", () => {
  it.effect.each<readonly [uri: string, settings: Readonly<Record<string, string>>]>([
    // The cases of libpq.
    ["postgresql://uri-user:secret@host:12345/db", {
      user: "uri-user",
      password: "secret",
      host: "host",
      port: "12345",
      dbname: "db"
    }],
    ["postgresql://uri-user@host:12345/db", { user: "uri-user", host: "host", port: "12345", dbname: "db" }],
    ["postgresql://uri-user@host/db", { user: "uri-user", host: "host", dbname: "db" }],
    ["postgresql://host:12345/db", { host: "host", port: "12345", dbname: "db" }],
    ["postgresql://host/db", { host: "host", dbname: "db" }],
    ["postgresql://uri-user@host:12345/", { user: "uri-user", host: "host", port: "12345" }],
    ["postgresql://uri-user@host/", { user: "uri-user", host: "host" }],
    ["postgresql://uri-user@", { user: "uri-user" }],
    ["postgresql://host:12345/", { host: "host", port: "12345" }],
    ["postgresql://host:12345", { host: "host", port: "12345" }],
    ["postgresql://host/", { host: "host" }],
    ["postgresql://host", { host: "host" }],
    ["postgresql://", {}],
    ["postgresql://?hostaddr=127.0.0.1", { hostaddr: "127.0.0.1" }],
    ["postgresql://example.com?hostaddr=63.1.2.4", { host: "example.com", hostaddr: "63.1.2.4" }],
    ["postgresql://%68ost/", { host: "host" }],
    ["postgresql://host/db?user=uri-user", { host: "host", dbname: "db", user: "uri-user" }],
    ["postgresql://host/db?user=uri-user&port=12345", {
      host: "host",
      dbname: "db",
      user: "uri-user",
      port: "12345"
    }],
    ["postgresql://host/db?u%73er=someotheruser&port=12345", {
      host: "host",
      dbname: "db",
      user: "someotheruser",
      port: "12345"
    }],
    ["postgresql://host:12345?user=uri-user", { host: "host", port: "12345", user: "uri-user" }],
    ["postgresql://host?user=uri-user", { host: "host", user: "uri-user" }],
    ["postgresql://host?  user = uri-user & port  = 12345 ", { host: "host", user: "uri-user", port: "12345" }],
    ["postgresql://host?", { host: "host" }],
    ["postgresql://[::1]:12345/db", { host: "::1", port: "12345", dbname: "db" }],
    ["postgresql://[::1]/db", { host: "::1", dbname: "db" }],
    ["postgresql://[2001:db8::1234]/", { host: "2001:db8::1234" }],
    ["postgresql://[200z:db8::1234]/", { host: "200z:db8::1234" }],
    ["postgresql://[::1]", { host: "::1" }],
    ["postgres://", {}],
    ["postgres:///", {}],
    ["postgres:///db", { dbname: "db" }],
    ["postgres://uri-user@/db", { user: "uri-user", dbname: "db" }],
    ["postgres://?host=/path/to/socket/dir", { host: "/path/to/socket/dir" }],
    ["postgres://@host", { host: "host" }],
    ["postgres://host:/", { host: "host" }],
    ["postgres://:12345/", { port: "12345" }],
    ["postgres://otheruser@?host=/no/such/directory", { user: "otheruser", host: "/no/such/directory" }],
    ["postgres://otheruser@/?host=/no/such/directory", { user: "otheruser", host: "/no/such/directory" }],
    ["postgres://otheruser@:12345?host=/no/such/socket/path", {
      user: "otheruser",
      port: "12345",
      host: "/no/such/socket/path"
    }],
    ["postgres://otheruser@:12345/db?host=/path/to/socket", {
      user: "otheruser",
      port: "12345",
      dbname: "db",
      host: "/path/to/socket"
    }],
    ["postgres://:12345/db?host=/path/to/socket", { port: "12345", dbname: "db", host: "/path/to/socket" }],
    ["postgres://:12345?host=/path/to/socket", { port: "12345", host: "/path/to/socket" }],
    ["postgres://%2Fvar%2Flib%2Fpostgresql/dbname", { host: "/var/lib/postgresql", dbname: "dbname" }],
    ["postgresql://host?sslmode=disable", { host: "host", sslmode: "disable" }],
    ["postgresql://host?sslmode=prefer", { host: "host", sslmode: "prefer" }],
    ["postgresql://host?sslmode=verify-full", { host: "host", sslmode: "verify-full" }],
    // Several hosts and ports.
    ["postgresql://a,b", { host: "a,b", port: "," }],
    ["postgresql://a:1,b:2/db", { host: "a,b", port: "1,2", dbname: "db" }],
    ["postgresql://a:1,b,c:3", { host: "a,b,c", port: "1,,3" }],
    ["postgresql://u@[::1]:1,[::2],c?user=v", { host: "::1,::2,c", port: "1,,", user: "v" }],
    ["postgresql://,b", { host: ",b", port: "," }],
    ["postgresql://a%2Cb", { host: "a,b" }],
    // An address with a zone, whose % has to be encoded.
    ["postgresql://[fe80::1%25eth0]:5/db", { host: "fe80::1%eth0", port: "5", dbname: "db" }],
    // Other than in RFC 3986, a # is an ordinary character.
    ["postgresql://u:p#w?x:y@host", { user: "u", password: "p#w?x:y", host: "host" }],
    ["postgresql://host/db/x#y", { host: "host", dbname: "db/x#y" }],
    ["postgresql://host/db?user=a/b?c#d", { host: "host", dbname: "db", user: "a/b?c#d" }],
    ["postgresql:// me : s%203 @host / db ", { user: "me", password: "s 3", host: "host", dbname: "db" }],
    // A plus sign is a plus sign.
    ["postgresql://a+b:c+d@host/e+f?options=g+h%2Bi", {
      user: "a+b",
      password: "c+d",
      host: "host",
      dbname: "e+f",
      options: "g+h+i"
    }],
    ["postgresql://host?user=a&user=b&", { host: "host", user: "b" }],
    ["postgresql://host?user=", { host: "host", user: "" }],
    ["postgresql://u:@host", { user: "u", host: "host" }],
    ["postgresql://:p@host", { password: "p", host: "host" }],
    // The parameters of JDBC and of older versions of libpq.
    ["postgresql://host?ssl=true", { host: "host", sslmode: "require" }],
    ["postgresql://host?requiressl=1", { host: "host", sslmode: "require" }],
    ["postgresql://host?requiressl=0", { host: "host", sslmode: "prefer" }]
  ])("is read: %s", ([uri, settings]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* parse(uri), settings)
    }))

  it.effect.each<readonly [uri: string, message: string]>([
    // The cases of libpq.
    ["postgresql://host/db?u%7aer=someotheruser&port=12345", "uzer: is not a setting; did you mean user?"],
    ["postgresql://host?uzer=", "uzer: is not a setting; did you mean user?"],
    ["postgre://", "conninfo: the setting at character 1 has no =; values with blanks must be quoted"],
    ["postgres://[::1", "host: is an IPv6 address without its closing bracket"],
    ["postgres://[]", "host: is an IPv6 address in brackets, but there is nothing in them"],
    [
      "postgres://[::1]z",
      "host: is an IPv6 address followed by something other than a port, a path or another host"
    ],
    ["postgresql://host?zzz", "uri: a parameter of the query has no value"],
    ["postgresql://host?value1&value2", "uri: a parameter of the query has no value"],
    ["postgresql://host?key=key=value", "key: has a second =; write it as %3D"],
    ["postgres://host?dbname=%XXfoo", "dbname: is not percent-encoded UTF-8"],
    ["postgresql://a%00b", "host: may not hold a zero character"],
    ["postgresql://%zz", "host: is not percent-encoded UTF-8"],
    ["postgresql://%1", "host: is not percent-encoded UTF-8"],
    ["postgresql://%", "host: is not percent-encoded UTF-8"],
    ["postgresql://host?  user user  =  uri  & port = 12345 12 ", "uri: has a blank in it; write it as %20"],
    ["postgresql://host?  user  =  uri-user  & port = 12345 12 ", "port: has a blank in it; write it as %20"],
    // More cases.
    ["postgresql://me:s3 cret@host", "password: has a blank in it; write it as %20"],
    ["postgresql://host?user=a&&port=1", "uri: a parameter of the query has no value"],
    ["postgresql://host?user=a\0b", "user: may not hold a zero character"],
    ["postgresql://host?%zz=a", "uri: is not percent-encoded UTF-8"],
    ["postgresql://host?ssl=false", "ssl: is not a setting; did you mean sslmode?"],
    ["postgresql://host:%zz", "port: is not percent-encoded UTF-8"],
    ["POSTGRESQL://host", "conninfo: the setting at character 1 has no =; values with blanks must be quoted"]
  ])("is refused: %s", ([uri, message]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* parse(uri), message)
    }))
})
