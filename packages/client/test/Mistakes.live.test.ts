/** The texts of errors that mistakes of a caller or an operator lead to. */
import { assert, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Conninfo from "@hyperfect/client/Conninfo"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Query from "@hyperfect/client/Query"
import * as ServerError from "@hyperfect/client/ServerError"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Cause, type Duration, Effect, Redacted, Schema, type Scope, Stream } from "effect"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { layerPostgres, openSession, type Services, TestServer, uniqueName } from "./liveServers.ts"
import { connectWith, manualServer } from "./manualServer.ts"
import { openPool } from "./pools.ts"

const { sql } = Statement

type Failing = Effect.Effect<unknown, { readonly message: string }, Services | Scope.Scope>

/** A row of the table: how the mistake is made, and the text of its error. */
interface Mistake {
  readonly make: Failing
  readonly text: string | RegExp
}

const onSession = (
  use: (session: Session.Session) => Effect.Effect<unknown, { readonly message: string }, Scope.Scope>
): Failing => Effect.flatMap(openSession(), use)

/** The port of a server that does `onConnection` and nothing else. */
const rawPort = (onConnection: (socket: Net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Net.Server; readonly sockets: Set<Net.Socket> }>((resume) => {
        const sockets = new Set<Net.Socket>()
        const server = Net.createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => {})
          onConnection(socket)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    ),
    ({ server }) => (server.address() as AddressInfo).port
  )

const openAt = (port: number, changes: Partial<Parameters<typeof Session.make>[0]>): Failing =>
  Session.make({ endpoint: Endpoint.tcp("127.0.0.1", port), user: "app", ...changes })

const withTls = (options: Partial<Certificates.Options>): Failing =>
  Effect.gen(function*() {
    const { certificate, key } = yield* Effect.orDie(Certificates.selfSigned({ name: "server", ...options }))
    const secureContext = Tls.createSecureContext({ cert: certificate, key: Redacted.value(key) })
    const port = yield* rawPort((socket) =>
      socket.once("data", () => {
        socket.write("S")
        new Tls.TLSSocket(socket, { isServer: true, secureContext }).on("error", () => {})
      })
    )
    return yield* openAt(port, {
      sslMode: "verify-full",
      ...options.hosts === undefined ? {} : { rootCertificates: certificate }
    })
  })

/** The defect of a program that lacks a layer, which its types do not allow. */
const withoutLayers = (program: Effect.Effect<unknown, unknown, any>): Failing =>
  Effect.promise(() => Effect.runPromiseExit(Effect.scoped(program as Effect.Effect<unknown, unknown>))).pipe(
    Effect.flatMap((exit) => exit),
    Effect.sandbox,
    Effect.mapError((cause) => Cause.squash(cause) as Error)
  )

const http = (socket: Net.Socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))

const mistakes: Readonly<Record<string, Mistake>> = {
  "COPY by query: the methods to use": {
    make: onSession((session) => session.query("copy pg_class to stdout")),
    text: "COPY cannot run through query; use copyIn, copyOut or the Copy module"
  },
  "copyOut of another statement: the statement that it expects": {
    make: onSession((session) => Stream.runDrain(session.copyOut("select 1"))),
    text: "copyOut expects a COPY ... TO STDOUT, but got another statement"
  },
  "an undefined parameter: its number and null": {
    make: onSession((session) => session.query(sql`select ${1}::int, ${undefined}::int`)),
    text: "parameter $2 is undefined; use null for NULL"
  },
  "a server that accepts and is silent: the endpoint and the request": {
    make: Effect.flatMap(rawPort(() => {}), (port) => openAt(port, { connectTimeout: 1000 })),
    text: /^127\.0\.0\.1:\d+ accepted the connection but did not answer the TLS request within 1000 ms$/
  },
  "a server that is silent without TLS: the login": {
    make: Effect.flatMap(rawPort(() => {}), (port) => openAt(port, { connectTimeout: 1000, sslMode: "disable" })),
    text: /^127\.0\.0\.1:\d+ accepted the connection but did not answer the login within 1000 ms$/
  },
  "a self-signed certificate: the host and sslrootcert": {
    make: withTls({}),
    text: new RegExp(
      "^the TLS handshake with 127\\.0\\.0\\.1:\\d+ failed: the certificate of 127\\.0\\.0\\.1 is self-signed, or signed by an " +
        "authority that is not trusted \\(DEPTH_ZERO_SELF_SIGNED_CERT\\); set sslrootcert to the certificate of its " +
        "authority, or sslmode=require without sslrootcert to accept any certificate$"
    )
  },
  "a certificate of another host: the name": {
    make: withTls({ hosts: ["db.example.org"] }),
    text: /failed: the certificate is not valid for the name 127\.0\.0\.1 \(ERR_TLS_CERT_ALTNAME_INVALID\); connect by/
  },
  "no TLS at the server: the endpoint and sslmode": {
    make: openSession({ sslMode: "require" }),
    text:
      /^TLS is required, but the server at \S+:\d+ answered that it has none; enable ssl on the server, or use sslmode=prefer$/
  },
  "an @ in a password of a URI: %40": {
    make: Conninfo.parse("postgresql://app:p@ss@db/shop"),
    text: /%40/
  },
  "too few values: both counts": {
    make: onSession((session) => session.query(Statement.fromTextUnsafe("select $1::int as a, $2::int as b", [1]))),
    text: "the statement has 2 parameters, but 1 value was given"
  },
  "too many values: the parameter that the text does not use": {
    make: onSession((session) => session.query(Statement.fromTextUnsafe("select $1::int", [1, 2]))),
    text:
      "42P18: could not determine data type of parameter $2 (the text does not use it, or its type has to be given by a cast)"
  },
  "70,000 parameters: a list or a COPY": {
    make: onSession((session) =>
      session.query(Statement.fromTextUnsafe("select 1", Array.from({ length: 70_000 }, () => 1)))
    ),
    text: "the statement has 70000 parameters, but the server accepts at most 65535; " +
      "use = any($1) with an array, Statement.list, or Copy.into for rows"
  },
  "an array in a list: any and Statement.list": {
    make: onSession((session) => session.query(sql`select 1 where 1 in (${[1, 2]})`)),
    text: /^parameter \$1, int4 .*found array; for a list of values use = any\(\$1\) with an array, Statement\.list$/
  },
  "2^53 for an int8: a bigint": {
    make: onSession((session) => session.query(sql`select ${2 ** 53}::int8`)),
    text: /, found an integer beyond 2\^53; pass a bigint$/
  },
  "a session after its scope: the scope": {
    make: Effect.flatMap(Effect.scoped(openSession()), (session) => session.query("select 1")),
    text: "the session is closed: its scope has ended"
  },
  "two statements in one text: simple": {
    make: onSession((session) => session.query("select 1; select 2")),
    text: "42601: cannot insert multiple commands into a prepared statement (use simple for several statements)"
  },
  "NULL in a row of a Schema: the column and NullOr": {
    make: onSession((session) =>
      Query.rows(Schema.Struct({ owner: Schema.NonEmptyString }))(session.query("select null::text as owner"))
    ),
    text: "row 0: column \"owner\" is NULL; use Schema.NullOr"
  },
  "an exhausted pool: its load and max": {
    make: Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 1, acquireTimeout: 200 })
      yield* pool.session
      return yield* pool.session
    }),
    text: "no session of the pool became free within 200 ms (1 of 1 open, 1 waiting); raise max or acquireTimeout; " +
      "this fiber holds one of them itself while it waits"
  },
  "a pool of no sessions: the least number": {
    make: openPool({ max: 0 }),
    text: "max: must be an integer of at least 1"
  },
  "a timeout that is no duration: the option": {
    make: openPool({ acquireTimeout: "soon" as Duration.Input }),
    text: "acquireTimeout: must be a duration"
  },
  "a timeout that is not a number: the option": {
    make: openPool({ acquireTimeout: Number.NaN }),
    text: "acquireTimeout: must be a duration"
  },
  "a long channel name: the limit": {
    make: Effect.gen(function*() {
      const { config } = yield* TestServer
      const { listen } = yield* Notifications.make(config)
      return yield* Stream.runDrain(listen("x".repeat(64)))
    }),
    text: `invalid channel name "${"x".repeat(64)}": longer than 63 bytes`
  },
  "sql called as a function: the template tag": {
    make: Effect.try({
      try: () => sql("select 1" as unknown as TemplateStringsArray),
      catch: (thrown) => thrown as TypeError
    }),
    text: "sql is a template tag: write sql`...`, or use Statement.fromTextUnsafe for a string"
  },
  "a Promise for a statement: the types that are accepted": {
    make: onSession((session) => session.query(Promise.resolve("select 1") as unknown as string)),
    text: "statement: TypeMismatch: wanted a string or a Statement, found another value"
  },
  "an HTTP server: the protocol": {
    make: Effect.flatMap(rawPort(http), (port) => openAt(port, { sslMode: "disable" })),
    text: "not a PostgreSQL server (it answered \"HTTP\")"
  },
  "an HTTP server that is asked for TLS: the protocol": {
    make: Effect.flatMap(rawPort(http), (port) => openAt(port, {})),
    text: /^TLS is required, but the server at \S+ answered as an HTTP server; check that it is a PostgreSQL server$/
  },
  "an ErrorResponse without fields: the lack of a reason": {
    make: Effect.fail(ServerError.fromFields([])),
    text: "the server reported an error without a reason"
  },
  "a message out of order: its name and the activity": {
    make: Effect.gen(function*() {
      const { server, session } = yield* connectWith({})
      const query = Effect.orDie(Effect.flip(session.simple("select 1")))
      const answer = Effect.andThen(server.expect("Query"), server.send({ _tag: "BindComplete" }))
      const [error] = yield* Effect.all([query, answer], { concurrency: 2 })
      return yield* error
    }).pipe(Effect.provide(manualServer())),
    text: "unexpected message BindComplete: wanted a message that may come while querying; the session was closed"
  },
  "a wrong password: the user and the SQLSTATE": {
    make: openSession({ password: Redacted.make("wrong") }),
    text: "the server refused \"postgres\": password authentication failed for user \"postgres\" (28P01); " +
      "check the user's name and password"
  },
  "a password that is not given: the user and the method": {
    make: openSession({ password: undefined }),
    text: "the server asks for the password of \"postgres\" (scram-sha-256), but none was given"
  },
  "a password that is a plain string: Redacted.make": {
    make: openSession({ password: "s3cret" as unknown as Redacted.Redacted<string> }),
    text: "password: is not a Redacted value; create one with Redacted.make, so that it is never printed"
  },
  "a negative timeout: the setting": {
    make: openSession({ queryTimeout: "-1 seconds" }),
    text: "queryTimeout: must be a duration, such as \"5 seconds\" or a number of milliseconds"
  },
  "a timeout of NaN: the setting": {
    make: openSession({ silenceTimeout: Number.NaN }),
    text: "silenceTimeout: must be a duration, such as \"5 seconds\" or a number of milliseconds"
  },
  "a cache of -1 statements: the setting": {
    make: openSession({ statementCacheSize: -1 }),
    text: "statementCacheSize: must be an integer of at least 0"
  },
  "a database that does not exist: its name": {
    make: openSession({ database: "nowhere" }),
    text: "the server has no database \"nowhere\": database \"nowhere\" does not exist (3D000); " +
      "create it, or check its name"
  },
  "a port without a server: the endpoint": {
    make: openAt(1, {}),
    text: "cannot connect to 127.0.0.1:1 (ECONNREFUSED)"
  },
  "a Unix socket that does not exist: the path": {
    make: Session.make({ endpoint: Endpoint.unix("/nowhere/.s.PGSQL.5432"), user: "app" }),
    text: "cannot connect to /nowhere/.s.PGSQL.5432 (ENOENT)"
  },
  "session attributes that do not exist: those that do": {
    make: openSession({ targetSessionAttrs: "master" as "primary" }),
    text: "target_session_attrs: must be one of any, read-write, read-only, primary, standby, prefer-standby"
  },
  "a primary server where a standby is required: the endpoint and its state": {
    make: openSession({ targetSessionAttrs: "standby" }),
    text: /^127\.0\.0\.1:\d+ is not standby: the server is not in hot standby$/
  },
  "a parameter of another client in a URI: the client and the replacement": {
    make: Conninfo.parse("postgresql://app@db/shop?pool_timeout=10"),
    text: "pool_timeout: is a parameter of Prisma, not of libpq; leave it out, and set acquireTimeout of the pool"
  },
  "a misspelt setting: the one that is meant": {
    make: Conninfo.parse("host=db ssl_mode=require"),
    text: "ssl_mode: is not a setting; did you mean sslmode?"
  },
  "another client encoding: the only one": {
    make: onSession((session) => session.query("set client_encoding = 'LATIN1'")),
    text: "client_encoding must remain UTF8, the only encoding that the client reads"
  },
  "a table that does not exist: its name and the position": {
    make: onSession((session) => session.query("select * from ordrs")),
    text: "42P01: relation \"ordrs\" does not exist at character 15"
  },
  "a fraction for an int4: rounding and the cast": {
    make: onSession((session) => session.query(sql`select ${1.5}::int4`)),
    text: "parameter $1, int4 (binary): OutOfRange: wanted an integer from -2147483648 to 2147483647, " +
      "found a number with a fraction; round it, or write a cast such as $1::numeric"
  },
  "an invalid Date: its number": {
    make: onSession((session) => session.query(sql`select ${new Date(NaN)}::timestamptz`)),
    text: "parameter $1, timestamptz (binary): OutOfRange: wanted an instant from 4714-11-24 BC on, " +
      "found another, or an invalid Date"
  },
  "a zero character in a text: its number": {
    make: onSession((session) => session.query(sql`select ${"a\0b"}::text`)),
    text: "parameter $1, text (text): NotRepresentable: wanted a text without U+0000, found one with"
  },
  "a function for a parameter: its number and what is possible": {
    make: onSession((session) => session.query(sql`select ${() => 1}::text`)),
    text: "parameter $1, parameter: TypeMismatch: wanted a value that a type can be inferred from, " +
      "or a type given with Parameter.make, found function"
  },
  "BEGIN inside a transaction: the command": {
    make: onSession((session) => session.transaction(session.query("begin"))),
    text: "BEGIN inside `transaction`, which begins with its effect and ends with it"
  },
  "a failure that a transaction ignores: the rollback": {
    make: onSession((session) => session.transaction(Effect.ignore(session.query("select 1/0")))),
    text: "the transaction was rolled back: a statement in it had failed"
  },
  "a row without a column of its Schema: both names": {
    make: onSession((session) =>
      Query.rows(Schema.Struct({ id: Schema.Int, name: Schema.String }))(session.query("select 1 as id, 'x' as nme"))
    ),
    text: "the columns do not fit the Schema: missing name; unexpected nme"
  },
  "a column of another type than in the Schema: both types": {
    make: onSession((session) => Query.rows(Schema.Struct({ id: Schema.String }))(session.query("select 1 as id"))),
    text: "the columns do not fit the Schema: id: wanted string, int4 gives number"
  },
  "two columns of one name: the ways to tell them apart": {
    make: onSession((session) => session.query("select 1 as a, 2 as a")),
    text: "column 1 \"a\", int4 (binary): DuplicateColumn: wanted names that differ; rename one with AS, " +
      "read rows as arrays, or choose one with Preset.withDuplicates, found the name of column 0 again"
  },
  "a query that exceeds its time: the limit": {
    make: onSession((session) => Query.timeout(session.query("select pg_sleep(5)"), "50 millis")),
    text: "no result within 50 ms"
  },
  "a query inside its own session's stream: the ways out": {
    make: onSession((session) =>
      Stream.runDrain(Stream.mapEffect(session.stream("select generate_series(1, 3)"), () => session.query("select 1")))
    ),
    text: "this fiber reads a stream or writes a COPY on the session, for whose end the statement would wait; " +
      "collect the rows first, or use another session"
  },
  "a COPY with too few columns: the column and the line": {
    make: onSession((session) =>
      Effect.gen(function*() {
        yield* session.query("create temp table few (a int, b int)")
        return yield* session.copyIn("copy few from stdin", Stream.make(new TextEncoder().encode("1\n")))
      })
    ),
    text: "22P04: missing data for column \"b\", COPY few, line 1"
  },
  "copyIn of another statement: the statement that it expects": {
    make: onSession((session) => session.copyIn("select 1", Stream.empty)),
    text: "copyIn expects a COPY ... FROM STDIN, but got another statement"
  },
  "a pool after its scope: that it is closed": {
    make: Effect.flatMap(Effect.scoped(openPool({ max: 1 })), ({ pool }) => pool.query("select 1")),
    text: "the pool is closed"
  },
  "more sessions at least than at most: both options": {
    make: openPool({ min: 5, max: 2 }),
    text: "min: must not be greater than max"
  },
  "a forgotten platform: the layer": {
    make: withoutLayers(Session.make({ endpoint: Endpoint.tcp("127.0.0.1", 1), user: "app" })),
    text: "Service not found: @hyperfect/transport/Transport (NodePlatform.layer of @hyperfect/node provides it)"
  },
  "a forgotten client: the layers": {
    make: withoutLayers(Client.Client),
    text: "Service not found: @hyperfect/client/Client (Client.layer, Pool.layer and Hyper.layer provide it)"
  },
  "a CSV line that COPY refuses: line and column": {
    make: onSession((session) =>
      Effect.gen(function*() {
        const table = uniqueName("cr")
        yield* session.query(`create table ${table} (a int)`)
        const data = Stream.make(new TextEncoder().encode("1\nfoo\n"))
        return yield* session.copyIn(`copy ${table} from stdin with (format csv)`, data)
      })
    ),
    text: /^22P02: invalid input syntax for type integer: "foo", COPY cr_\d+, line 2, column a$/
  }
}

layer<Services, unknown>(layerPostgres, { excludeTestServices: true, timeout: "60 seconds" })("Mistakes", (it) => {
  for (const [title, { make, text }] of Object.entries(mistakes)) {
    it.effect(`the error for ${title.replace(":", " names")}`, () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(make)
        if (typeof text === "string") assert.strictEqual(message, text)
        else assert.match(message, text)
      }))
  }
})
