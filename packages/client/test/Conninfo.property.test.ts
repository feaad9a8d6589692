/** Properties of every connection string. */
import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Conninfo from "@hyperfect/client/Conninfo"
import { Effect, Redacted, Schema } from "effect"

const arbitrary = { runs: 500 }

/** Texts made of tokens that matter to the parsers, so that most are nearly valid. */
const Fragments = Schema.Array(Schema.Literals([
  ..."postgresql://,postgres://,@,:,/,?,&,=,%,%2F,%00,%zz,%C3%A4,[,],[::1],#,\\,', ,\t,user,password,host,port,dbname"
    .split(","),
  ..."sslmode,require,verify-ca,hostaddr,connect_timeout,5432,-1,99999,a,ä,\u{1f600},target_session_attrs,any,\0,!"
    .split(","),
  ","
]))

/** A value without the characters that no setting may contain. */
const Value = Schema.String.check(Schema.makeFilter((text) => !text.includes("\0") && text.isWellFormed()))

const unredacted = (value: string | Redacted.Redacted<string> | undefined) =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

describe("any connection string", () => {
  it.effect.prop(
    "yields a configuration or an error message",
    { pieces: Fragments, text: Schema.String },
    (given) =>
      Effect.gen(function*() {
        for (const text of [given.pieces.join(""), given.text, `postgresql://${given.text}`]) {
          const read = yield* Effect.result(ConnectionConfig.fromString(text))
          if (read._tag === "Success") assert.isAbove(ConnectionConfig.endpoints(read.success).length, 0)
          else assert.isAbove(read.failure.problem.length, 0)
        }
      }),
    { arbitrary }
  )

  it.effect.prop(
    "keeps a quoted value as it is",
    { password: Value, dbname: Value },
    ({ dbname, password }) =>
      Effect.gen(function*() {
        const quote = (text: string) => `'${text.replaceAll(/[\\']/g, "\\$&")}'`
        const settings = yield* Conninfo.parse(`password=${quote(password)}dbname = ${quote(dbname)}`)
        assert.deepStrictEqual([unredacted(settings.get("password")), settings.get("dbname")], [password, dbname])
      }),
    { arbitrary }
  )

  it.effect.prop(
    "keeps an escaped value as it is",
    { password: Value, dbname: Value },
    ({ dbname, password }) =>
      Effect.gen(function*() {
        const escape = (text: string) => text.replaceAll(/[\\' \t-\r]/g, "\\$&")
        const settings = yield* Conninfo.parse(`password=x${escape(password)} dbname=x${escape(dbname)}`)
        assert.deepStrictEqual([unredacted(settings.get("password")), settings.get("dbname")], [
          `x${password}`,
          `x${dbname}`
        ])
      }),
    { arbitrary }
  )

  it.effect.prop(
    "keeps a percent-encoded value as it is",
    { password: Value, dbname: Value },
    ({ dbname, password }) =>
      Effect.gen(function*() {
        const [first, second] = [password, dbname].map(encodeURIComponent)
        const settings = yield* Conninfo.parse(`postgresql://u:x${first}@h/x${second}?options=${first}&user=${second}`)
        assert.deepStrictEqual(Object.fromEntries(Array.from(settings, ([key, value]) => [key, unredacted(value)])), {
          user: dbname,
          password: `x${password}`,
          host: "h",
          dbname: `x${dbname}`,
          options: password
        })
      }),
    { arbitrary }
  )
})
