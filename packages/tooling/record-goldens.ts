// Records conversations with a PostgreSQL 18 and a Hyper server that it starts, which together contain every message
// that the servers can send, into packages/protocol/test/vectors/{postgres,hyper}/recorded.json.
// Run: npm exec -- node --conditions=@hyperfect/source packages/tooling/record-goldens.ts
// Process ids, keys, salts, nonces, versions, times and log positions differ after each run; nothing else should.
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { type Backend, Frontend, Replication } from "@hyperfect/protocol"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import type { Connection } from "@hyperfect/transport/Connection"
import type { Endpoint } from "@hyperfect/transport/Endpoint"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { conversations as pipelineConversations } from "./pipelineConversations.ts"

interface Entry {
  readonly from: "client" | "server"
  hex: string
}

interface Transcript {
  readonly name: string
  readonly messages: ReadonlyArray<Entry>
}

const transcripts: Array<Transcript> = []

/** Opens a connection whose bytes are recorded in both directions; consecutive bytes of one side form one entry. */
const openRecorded = Effect.fnUntraced(function*(name: string, endpoint: Endpoint) {
  const connection = yield* (yield* Transport).connect(endpoint)
  const messages: Array<Entry> = []
  transcripts.push({ name, messages })
  const add = (from: Entry["from"], bytes: Uint8Array) => {
    const hex = Buffer.from(bytes).toString("hex")
    const last = messages.at(-1)
    if (last?.from === from) last.hex += hex
    else messages.push({ from, hex })
  }
  const tapped: Connection = {
    ...connection,
    pull: Effect.tap(connection.pull, (chunks) => Effect.sync(() => chunks.forEach((chunk) => add("server", chunk)))),
    write: (bytes) => Effect.andThen(Effect.sync(() => add("client", bytes)), connection.write(bytes))
  }
  return { connection: tapped, channel: MessageChannel.client(tapped) }
})

type RecordedConnection = Effect.Success<ReturnType<typeof openRecorded>>

/** Receives messages up to one of this name, and returns it. */
const until = <Tag extends Backend.Message["_tag"]>({ channel }: RecordedConnection, tag: Tag) =>
  Effect.gen(function*() {
    while (true) {
      const message = yield* channel.receive
      if (message._tag === tag) return message as Extract<Backend.Message, { readonly _tag: Tag }>
    }
  })

const startup = (user: string, parameters: Readonly<Record<string, string>> = {}, protocolVersion: number = 196_608) =>
  Frontend.StartupMessage.make({
    protocolVersion,
    parameters: Object.entries({ user, ...parameters }).map(([name, value]) => ({ name, value }))
  })

const {
  Bind,
  Close,
  CopyData,
  CopyDone,
  CopyFail,
  Describe,
  Execute,
  Flush,
  FunctionCall,
  Parse,
  Query,
  Sync,
  Terminate
} = Frontend
const text = (value: string) => new TextEncoder().encode(value)

const runQuery = (line: RecordedConnection, query: string) =>
  Effect.andThen(line.channel.send(Query.make({ query })), until(line, "ReadyForQuery"))

/** Sends the messages of the extended protocol; `limited` is a statement to fetch one row at a time, if any. */
const extended = Effect.fnUntraced(
  function*(line: RecordedConnection, types: ReadonlyArray<number>, limited: string | undefined) {
    const { send } = line.channel
    yield* send(
      Parse.make({
        name: "s",
        query: "select cast($1 as integer) as n, cast(null as text) as t",
        parameterTypes: types
      }),
      Describe.make({ kind: "S", name: "s" }),
      Flush.make({})
    )
    yield* until(line, "RowDescription")
    yield* send(
      Bind.make({ portal: "p", statement: "s", parameterFormats: [0], parameters: [text("7")], resultFormats: [1] }),
      Describe.make({ kind: "P", name: "p" }),
      Execute.make({ portal: "p", maxRows: 0 }),
      Close.make({ kind: "S", name: "s" }),
      Sync.make({})
    )
    yield* until(line, "ReadyForQuery")
    yield* send(
      Parse.make({ name: "", query: "create temporary table t (a integer)", parameterTypes: [] }),
      Describe.make({ kind: "S", name: "" }),
      Sync.make({})
    )
    yield* until(line, "ReadyForQuery")
    if (limited === undefined) return
    yield* send(
      Parse.make({ name: "", query: limited, parameterTypes: [] }),
      Bind.make({ portal: "", statement: "", parameterFormats: [], parameters: [], resultFormats: [] }),
      Execute.make({ portal: "", maxRows: 1 }),
      Sync.make({})
    )
    yield* until(line, "ReadyForQuery")
  }
)

const copy = Effect.fnUntraced(function*(line: RecordedConnection) {
  const { send } = line.channel
  yield* runQuery(line, "create temporary table c (a integer, b text)")
  for (const end of [CopyDone.make({}), CopyFail.make({ message: "no more" })]) {
    yield* send(Query.make({ query: "copy c from stdin with (format csv)" }))
    yield* until(line, "CopyInResponse")
    yield* send(CopyData.make({ data: text("1,one\n") }), end)
    yield* until(line, "ReadyForQuery")
  }
})

const postgres = Effect.gen(function*() {
  const { database, endpoint, user } = yield* PostgresServer.PostgresServer
  const open = (name: string, parameters: Readonly<Record<string, string>> = {}, version?: number) =>
    Effect.gen(function*() {
      const line = yield* openRecorded(name, endpoint)
      yield* line.channel.send(startup(user, { database, ...parameters }, version))
      const key = yield* until(line, "BackendKeyData")
      yield* until(line, "ReadyForQuery")
      return { ...line, key }
    })
  const scripts: Record<
    string,
    (name: string) => Effect.Effect<void, unknown, Scope.Scope | Transport | Authenticate.Services>
  > = {
    "simple queries": Effect.fnUntraced(function*(name) {
      const line = yield* open(name)
      yield* runQuery(line, "create table unique_ (a integer primary key)")
      yield* runQuery(line, "select 1 as one, 'é'::text as text, null::float8 as nothing")
      yield* runQuery(line, "")
      yield* runQuery(line, "selec")
      yield* runQuery(line, "insert into unique_ values (1), (1)")
      yield* runQuery(line, "do $$ begin raise notice 'look' using detail = 'there', hint = 'up'; end $$")
      yield* runQuery(line, "listen ch; notify ch, 'hello'")
      yield* runQuery(line, "begin; select 1/0")
      yield* runQuery(line, "rollback")
      yield* line.channel.send(Terminate.make({}))
    }),
    "extended queries": Effect.fnUntraced(function*(name) {
      const line = yield* open(name)
      yield* extended(line, [], "select g from generate_series(1, 3) as g")
    }),
    "function call": Effect.fnUntraced(function*(name) {
      const line = yield* open(name)
      // int4pl(3, 4)
      const arguments_ = [Uint8Array.of(0, 0, 0, 3), Uint8Array.of(0, 0, 0, 4)]
      yield* line.channel.send(
        FunctionCall.make({ functionOid: 177, argumentFormats: [1], arguments: arguments_, resultFormat: 1 })
      )
      yield* until(line, "ReadyForQuery")
    }),
    copy: Effect.fnUntraced(function*(name) {
      const line = yield* open(name)
      yield* copy(line)
      yield* runQuery(line, "copy c to stdout")
      yield* runQuery(line, "copy c to stdout (format binary)")
    }),
    "protocol 3.2": (name) => open(name, {}, 196_610),
    "a version and an option that nobody knows": (name) => open(name, { "_pq_.unheard_of": "1" }, 206_607),
    "no encryption": Effect.fnUntraced(function*(name) {
      for (const request of [Frontend.SSLRequest.make({}), Frontend.GSSENCRequest.make({})]) {
        const line = yield* openRecorded(`${name}: ${request._tag}`, endpoint)
        yield* line.channel.send(request)
        yield* line.connection.pull
      }
    }),
    "log in with": Effect.fnUntraced(function*(name) {
      for (const method of ["password", "md5", "scram-sha-256"] as const) {
        const line = yield* openRecorded(`${name} ${method}`, endpoint)
        const login = { user: `by_${method}`.replaceAll("-", "_"), password: Redacted.make("pencil"), database }
        yield* Authenticate.client(line.channel, login, { methods: [method], allowCleartextWithoutTls: true })
      }
      const line = yield* openRecorded(`${name} a wrong password`, endpoint)
      yield* line.channel.send(startup("by_password", { database }))
      yield* until(line, "AuthenticationCleartextPassword")
      yield* line.channel.send(Frontend.PasswordMessage.make({ password: "pen" }))
      yield* until(line, "ErrorResponse")
    }),
    cancel: Effect.fnUntraced(function*(name) {
      const line = yield* open(name)
      yield* line.channel.send(Query.make({ query: "select pg_sleep(60)" }))
      yield* Effect.sleep("100 millis")
      const { processId, secretKey } = line.key
      const canceller = yield* openRecorded(`${name}: on another connection`, endpoint)
      yield* canceller.channel.send(Frontend.CancelRequest.make({ processId, secretKey }))
      yield* until(line, "ReadyForQuery")
    }),
    replication: Effect.fnUntraced(function*(name) {
      // Not in the setup of the server: a table created there has the OID of a system table, and is never published.
      const other = yield* open(`${name}: what is replicated`)
      yield* runQuery(other, "create publication p for table unique_")
      const line = yield* open(name, { replication: "database" })
      yield* runQuery(line, "IDENTIFY_SYSTEM")
      yield* runQuery(line, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput")
      yield* runQuery(other, "insert into unique_ values (7)")
      yield* line.channel.send(
        Query.make({ query: "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')" })
      )
      yield* until(line, "CopyBothResponse")
      const wanted = new Set(["XLogData", "PrimaryKeepalive"])
      while (wanted.size > 0) {
        const { data } = yield* until(line, "CopyData")
        const message = Replication.readerUnsafe()(data, 0, data.length)
        wanted.delete(message._tag)
        if (message._tag !== "XLogData") continue
        // Requests a reply, so that a keepalive is received.
        const update = Replication.StandbyStatusUpdate.make({
          walWritten: message.walStart,
          walFlushed: message.walStart,
          walApplied: message.walStart,
          clientTime: message.serverTime,
          replyRequested: 1
        })
        yield* line.channel.send(CopyData.make({ data: Replication.encodeUnsafe(update) }))
      }
      yield* line.channel.send(CopyDone.make({}))
      yield* until(line, "ReadyForQuery")
    })
  }
  for (const [name, script] of Object.entries(scripts)) {
    yield* Effect.scoped(script(name))
  }
  for (const [name, steps] of Object.entries(pipelineConversations)) {
    yield* Effect.scoped(Effect.gen(function*() {
      const line = yield* open(`libpq_pipeline, ${name}`)
      for (const step of steps) {
        yield* line.channel.send(...step.send)
        for (const tag of step.until) yield* until(line, tag)
      }
      yield* line.channel.send(Terminate.make({}))
    }))
  }
}).pipe(
  Effect.provide(PostgresServer.layer({
    authentication: "trust",
    settings: { wal_level: "logical" },
    hba: ["password", "md5", "scram-sha-256"].map((method) =>
      `host all by_${method.replaceAll("-", "_")} 127.0.0.1/32 ${method}`
    ),
    setup: [
      "set password_encryption = 'md5'",
      "create role by_md5 login password 'pencil'",
      "set password_encryption = 'scram-sha-256'",
      "create role by_password login password 'pencil'",
      "create role by_scram_sha_256 login password 'pencil'"
    ]
  }))
)

const hyper = Effect.gen(function*() {
  const { endpoint, user } = yield* Hyperd.Hyperd
  const open = Effect.fnUntraced(function*(name: string) {
    const line = yield* openRecorded(name, endpoint)
    yield* line.channel.send(startup(user))
    yield* until(line, "ReadyForQuery")
    return line
  })
  yield* Effect.scoped(Effect.gen(function*() {
    const line = yield* open("simple queries")
    yield* runQuery(line, "select 1 as one, 'é' as text, cast(null as double precision) as nothing")
    yield* runQuery(line, "")
    yield* runQuery(line, "selec")
    yield* runQuery(line, "begin")
    yield* runQuery(line, "begin")
    yield* runQuery(line, "select 1/0")
    yield* runQuery(line, "rollback")
    yield* line.channel.send(Terminate.make({}))
  }))
  yield* Effect.scoped(Effect.gen(function*() {
    yield* extended(yield* open("extended queries"), [23], "select g from generate_series(1, 3) as g(g)")
  }))
  yield* Effect.scoped(Effect.gen(function*() {
    const line = yield* open("copy")
    yield* copy(line)
    yield* runQuery(line, "copy c to stdout with (format hyperbinary)")
  }))
}).pipe(Effect.provide(HyperdServer.layer({ authentication: "trust" })))

const write = (server: string): void => {
  const folder = new URL(`../protocol/test/vectors/${server}/`, import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL("recorded.json", folder), JSON.stringify({ transcripts }, null, 1) + "\n")
  console.log(`${server}: ${transcripts.length} conversations`)
  transcripts.length = 0
}

const program = Effect.gen(function*() {
  yield* postgres
  write("postgres")
  yield* hyper
  write("hyper")
})

await Effect.runPromise(program.pipe(
  Effect.timeout("2 minutes"),
  Effect.provide(Layer.mergeAll(NodePlatform.layer, Authenticate.layerCrypto))
))
