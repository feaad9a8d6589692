/**
 * The login: waits for the session, applies the settings of the client, and reports those of PGlite.
 *
 * @internal
 */
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Bytes from "effect/Bytes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Database } from "./database.ts"

/** Joins pieces, without a copy if there is one. */
export const concat = (pieces: ReadonlyArray<Uint8Array>): Uint8Array =>
  pieces.length === 1 ? pieces[0]! : Bytes.concat(pieces)

const query = (text: string): Uint8Array => Frontend.encodeUnsafe({ _tag: "Query", query: text })

/** Returns an error that ends the connection. */
export const fatal = (sqlState: string, text: string): Backend.ErrorResponse => ({
  _tag: "ErrorResponse",
  fields: [
    { code: "S", value: "FATAL" },
    { code: "V", value: "FATAL" },
    { code: "C", value: sqlState },
    { code: "M", value: text }
  ]
})

/** Executes messages and returns the decoded answer. */
const ask = (database: Database, message: Uint8Array) =>
  Effect.map(database.execute(message), (chunks) => {
    const messages: Array<Backend.Message> = []
    const read = Backend.readerUnsafe()
    const parser = Frame.makeParser(Backend.limits(), (bytes, start, end) => messages.push(read(bytes, start, end)))
    for (const chunk of chunks) parser.push(chunk)
    return messages
  })

/** Returns the settings of a startup packet: its parameters, and `-c name=value` and `--name=value` of `options`. */
export const settingsOf = (parameters: ReadonlyMap<string, string>): ReadonlyArray<readonly [string, string]> => {
  // A backslash keeps the character behind it, such as a space, in the word (PostgreSQL, "Connecting with options").
  const words = Array.from(
    (parameters.get("options") ?? "").matchAll(/(?:\\.|[^\s\\])+/gs),
    ([word]) => word.replaceAll(/\\(.)/gs, "$1")
  )
  const options = words.flatMap((word, i): ReadonlyArray<readonly [string, string]> => {
    const [, name, value] = /^([^=]+)=(.*)/s.exec(words[i - 1] === "-c" ? word : word.replace(/^(?:-c|--)/, "")) ?? []
    return name === undefined ? [] : [[name.replaceAll("-", "_"), value!]]
  })
  return [...Array.from(parameters).filter(([name]) => !/^(?:user|database|options|_pq_\..*)$/.test(name)), ...options]
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`

const applySettings = (parameters: ReadonlyMap<string, string>): Uint8Array =>
  query(
    settingsOf(parameters).map(([name, value]) =>
      `select pg_catalog.set_config(${quote(name)}, ${quote(value)}, false)`
    )
      .join("; ")
  )

/** The packet at which PGlite reports its settings. It ignores the user and the database. */
const startupMessage = Frontend.encodeUnsafe({
  _tag: "StartupMessage",
  protocolVersion: 0x30000,
  parameters: [{ name: "user", value: "postgres" }]
})

/**
 * Rolls back and forgets what a connection has left. The first ROLLBACK undoes what no Sync has ended, which the Sync would
 * commit; the second one a transaction, if the first was skipped after an error.
 */
const reset = concat([
  query("rollback"),
  Frontend.encodeUnsafe({ _tag: "Sync" }),
  query("rollback"),
  query("discard all")
])

/** Gives the session back in its first state. */
const release = (database: Database): Effect.Effect<void> =>
  (database.unlock === undefined ? database.lock : Effect.void).pipe(
    Effect.andThen(database.execute(reset)),
    Effect.ignore,
    Effect.andThen(Effect.sync(() => database.unlock?.())),
    Effect.andThen(database.permit.release(1)),
    Effect.asVoid
  )

/** Sends an error that ends the connection, and fails. */
const refuse = (channel: MessageChannel.Server, last: Backend.ErrorResponse) =>
  Effect.andThen(Effect.ignore(channel.send(last)), Effect.fail(TransportError.closed("local")))

/** Waits for the session, which is released with the scope. Nothing else is executed before it is. */
const acquire = Effect.fnUntraced(function*(
  database: Database,
  channel: MessageChannel.Server,
  timeout: Duration.Duration
) {
  yield* database.ready
  const acquired = yield* Effect.acquireRelease(database.permit.take(1), () => release(database), {
    interruptible: true
  }).pipe(Effect.timeoutOption(timeout))
  if (acquired._tag === "None") {
    const text = `PGlite has one session, and it was in use for ${Duration.toMillis(timeout)} ms`
    return yield* refuse(channel, fatal("53300", text))
  }
})

/**
 * Admits a client. The session is released with the scope. Succeeds with false if the client only wanted to cancel a
 * statement, which PGlite cannot.
 */
export const logIn = Effect.fnUntraced(function*(
  database: Database,
  channel: MessageChannel.Server,
  acquireTimeout: Duration.Duration
) {
  const parameters: Record<string, string> = {}
  let key: Authenticate.Key | undefined
  const admitted = yield* Authenticate.server(channel, {
    account: Effect.fnUntraced(function*({ parameters: wanted }) {
      yield* acquire(database, channel, acquireTimeout)
      yield* database.lock
      for (const message of yield* ask(database, applySettings(wanted))) {
        if (message._tag !== "ErrorResponse") continue
        const fields = message.fields.map(({ code, value }) => ({ code, value: /[SV]/.test(code) ? "FATAL" : value }))
        return yield* refuse(channel, { _tag: "ErrorResponse", fields })
      }
      for (const message of yield* ask(database, startupMessage)) {
        if (message._tag === "ParameterStatus") parameters[message.name] = message.value
        if (message._tag === "BackendKeyData") key = message
      }
      database.unlock?.()
      return Account.trust
    }),
    parameters: () => parameters,
    key: () => key!,
    timeout: Duration.sum(acquireTimeout, Duration.minutes(1))
  })
  return admitted._tag === "Client"
})
