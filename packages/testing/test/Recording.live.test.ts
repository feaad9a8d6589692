import { assert, describe, it, layer } from "@effect/vitest"
import { Client, type ConnectionConfig, Session, Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { NodePlatform, NodeTransport } from "@hyperfect/node"
import { Certificates, FaultTransport, PostgresServer, Recording, TransportConformance } from "@hyperfect/testing"
import { Endpoint, InMemory, Transport } from "@hyperfect/transport"
import { Cause, Effect, Exit, Fiber, FileSystem, Layer, Redacted, Schema, Stream } from "effect"
import { hyper, postgres, Target } from "./targetServers.ts"

const { sql } = Statement
const text = new TextEncoder()
const secret = "it-must-not-be-written"

const newFile = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  return `${yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-recording-" })}/session.jsonl`
})

const read = (file: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file))

const linesOf = (recording: string) =>
  recording.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, any>)

/** Uses every feature of a session, and returns the results. */
const exerciseSession = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.gen(function*() {
    const session = yield* Session.make(config)
    const table = HyperTable.make("t", { n: Schema.Int, name: HyperTable.Text }, { temporary: true })
    const asClient = Effect.provideService(Client.Client, session)
    yield* asClient(table.create)
    const rows = Array.from({ length: 300 }, (_, i) => ({ n: i, name: `row ${i}` }))
    const inserted = (yield* asClient(table.insert(rows, { messageSize: 1000 }))).rows
    const copied = yield* session.copyIn("copy t from stdin with (format csv)", Stream.make(text.encode("1000,x\n")))
    const failedCopy = yield* Effect.flip(
      session.copyIn("copy t from stdin with (format csv)", Stream.make(text.encode("no number,x\n")))
    )
    const all = yield* session.query(sql`select n, name from t where n > ${290} order by n`)
    const streamed = yield* Stream.runCollect(session.streamValues("select n, name from t order by n"))
    const out = yield* Stream.mkString(
      Stream.decodeText(session.copyOut("copy (select n, name from t order by n) to stdout with (format csv)"))
    )
    const many = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => session.values(sql`select ${n}::int`), {
      concurrency: "unbounded"
    })
    const refused = yield* Effect.flip(session.query("select 1 / 0"))
    yield* Effect.ignore(session.transaction(Effect.andThen(
      session.query("delete from t"),
      Effect.fail("rolled back")
    )))
    const count = yield* session.simple("select count(*) as c from t")
    return {
      server: session.server,
      parameters: [...session.parameters()],
      inserted,
      copied,
      failures: [failedCopy, refused].map((error) => error.message),
      all,
      streamed,
      out,
      many,
      count
    }
  }).pipe(Effect.scoped)

const record = (file: string, content: "redacted" | "full" = "full") =>
  Effect.provide(Recording.record(file, { content }), { local: true })

const replay = (file: string) => Effect.provide(Recording.replay(file), { local: true })

const long = {
  postgres: "select pg_sleep(10)",
  hyper: "select count(*) from generate_series(1, 20000000000) as g(n)"
}

for (const [name, server] of Object.entries({ PostgreSQL: postgres, Hyper: hyper })) {
  layer(server as Layer.Layer<Target | NodePlatform.NodePlatform, unknown>, {
    excludeTestServices: true,
    timeout: "60 seconds"
  })(`Recording > ${name}`, (it) => {
    it.effect("replays the same results without a server or a password", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const file = yield* newFile
        const recorded = yield* record(file)(exerciseSession(config))
        assert.strictEqual(recorded.inserted, 300)
        const nowhere = { ...config, endpoint: Endpoint.tcp("nowhere.invalid", 1), password: undefined }
        assert.deepStrictEqual(yield* replay(file)(exerciseSession(nowhere)), recorded)
        assert.deepStrictEqual(yield* replay(file)(exerciseSession(config)), recorded)
      }))

    it.effect("replays the cancellation of a query at the same position", () =>
      Effect.gen(function*() {
        const { config, kind } = yield* Target
        const file = yield* newFile
        const program = Effect.gen(function*() {
          const session = yield* Session.make(config)
          const running = yield* Effect.forkChild(session.values(long[kind]), { startImmediately: true })
          // The query has to be under way, also on a busy machine, for it to be cancelled both times.
          yield* Effect.sleep("500 millis")
          yield* Fiber.interrupt(running)
          return (yield* session.values("select 7")).rows
        }).pipe(Effect.scoped)
        assert.deepStrictEqual(yield* record(file)(program), [[7]])
        assert.deepStrictEqual(yield* replay(file)(program), [[7]])
        assert.include(yield* read(file), "CancelRequest")
      }))

    it.effect("contains no credentials, and when redacted no data", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const program = Effect.scoped(Effect.gen(function*() {
          const session = yield* Session.make(config)
          yield* session.query(sql`select ${"parameter-data"}::text, 'in the ' || 'row'`)
          yield* Stream.runDrain(session.copyOut("copy (select 'copied ' || 'data') to stdout with (format csv)"))
        }))
        const [full, redacted] = yield* Effect.forEach(["full", "redacted"] as const, (content) =>
          Effect.gen(function*() {
            const file = yield* newFile
            yield* record(file, content)(program)
            return yield* read(file)
          }))
        const base64 = (data: string) =>
          Buffer.from(data).toString("base64").replaceAll("=", "")
        for (const recording of [full!, redacted!]) {
          const messages = linesOf(recording).flatMap(({ message }) =>
            message ?? []
          )
          const tags = messages.map(({ _tag }) => _tag)
          assert.includeMembers(tags, ["SASLInitialResponse", "SASLResponse", "AuthenticationSASLFinal", "Terminate"])
          for (const { _tag, data, secretKey } of messages) {
            if (/SASL(Initial)?Response|SASL(Continue|Final)/.test(_tag)) assert.match(data, /^<\d+ bytes>$/)
            if (_tag === "BackendKeyData") assert.oneOf(secretKey, ["<4 bytes>", "AAAAAA=="])
          }
          assert.include(recording, "in the ' || 'row")
        }
        for (const data of ["parameter-data", "in the row"]) assert.include(full, base64(data))
        for (const data of ["parameter-data", "in the row", "copied data"]) {
          assert.notInclude(redacted, data)
          assert.notInclude(redacted, base64(data))
        }
        const rows = linesOf(redacted!).filter(({ message }) => message?._tag === "DataRow")
        assert.deepStrictEqual(rows.map(({ message }) => message.columns), [["<14 bytes>", "<10 bytes>"]])
      }))
  })
}

/** Records a session with one query, as answered by a server. */
const recordOne = Effect.gen(function*() {
  const { config } = yield* Target
  const file = yield* newFile
  yield* record(file)(Effect.scoped(Effect.gen(function*() {
    const session = yield* Session.make(config)
    yield* session.query(sql`select ${1}::int as n`)
    yield* session.query("select 2 as n")
  })))
  return { config, file }
})

layer(postgres, { excludeTestServices: true, timeout: "60 seconds" })("Recording.replay > deviation", (it) => {
  const play = (program: (session: Session.Session) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function*() {
      const { config, file } = yield* recordOne
      return yield* replay(file)(Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.scoped(Effect.flatMap(Session.make(config), program)))
        const { verify } = yield* Recording.Replay
        return { exit, verified: yield* Effect.exit(verify) }
      }))
    })

  const reportOf = (exit: Exit.Exit<unknown, { readonly report: string }>): string =>
    Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error.report).join() : ""

  it.effect("is reported as a difference, field by field", () =>
    Effect.gen(function*() {
      const { exit, verified } = yield* play((session) =>
        Effect.andThen(session.query(sql`select ${1}::int as n`), session.query("select 3 as n"))
      )
      assert.match(
        reportOf(verified),
        /^connection 1, line \d+ of the recording: something else came\n  Parse\n    name: ".*"\n- {3}query: "select 2 as n"\n\+ {3}query: "select 3 as n"\n    parameterTypes: \[\]\nreceived before:\n(  .*\n){4}  Sync$/
      )
      assert.isTrue(Exit.isFailure(exit))
      if (!Exit.isFailure(exit)) return
      const [reason] = exit.cause.reasons.filter(Cause.isFailReason)
      const error = reason!.error as {
        readonly _tag: string
        readonly reason: { readonly cause: { readonly _tag: string } }
      }
      assert.deepStrictEqual([error._tag, error.reason.cause._tag], ["TransportError", "ScriptError"])
    }))

  it.effect("is detected for another parameter", () =>
    Effect.gen(function*() {
      const { verified } = yield* play((session) => session.query(sql`select ${5}::int as n`))
      assert.match(reportOf(verified), /- {3}parameters: \[<00 00 00 01>\]\n\+ {3}parameters: \[<00 00 00 05>\]/)
    }))

  it.effect("is detected for a missing query", () =>
    Effect.gen(function*() {
      const { exit, verified } = yield* play((session) => session.query(sql`select ${1}::int as n`))
      assert.isTrue(Exit.isSuccess(exit))
      assert.match(reportOf(verified), /: something else came\n- Parse\n[^+]*\+ Terminate$/m)
    }))

  it.effect("is detected for an additional query", () =>
    Effect.gen(function*() {
      const { verified } = yield* play((session) =>
        Effect.forEach([sql`select ${1}::int as n`, "select 2 as n", "select 3 as n"], (query) => session.query(query))
      )
      assert.include(reportOf(verified), "- Terminate")
      assert.include(reportOf(verified), "query: \"select 3 as n\"")
    }))

  it.effect("is detected for another user", () =>
    Effect.gen(function*() {
      const { config, file } = yield* recordOne
      yield* replay(file)(Effect.gen(function*() {
        yield* Effect.flip(Effect.scoped(Session.make({ ...config, user: "somebody_else" })))
        const error = yield* Effect.flip((yield* Recording.Replay).verify)
        assert.match(error.report, /- {3}parameters: .*postgres.*\n\+ {3}parameters: .*somebody_else/)
      }))
    }))

  it.effect("is detected for a missing or an additional connection", () =>
    Effect.gen(function*() {
      const { config, file } = yield* recordOne
      const never = replay(file)(Effect.flip(Effect.flatMap(Recording.Replay, ({ verify }) => verify)))
      assert.match(
        (yield* never).report,
        /line \d+ of the recording: it is not over\n- StartupMessage .*\n(- .*\n){4}- and \d+ more$/
      )
      const twice = replay(file)(Effect.gen(function*() {
        const transport = yield* Transport.Transport
        yield* transport.connect(config.endpoint)
        const error = yield* Effect.flip(transport.connect(config.endpoint))
        assert.strictEqual(error.reason._tag, "OpenFailed")
        return yield* Effect.flip((yield* Recording.Replay).verify)
      }))
      assert.include((yield* twice).report, "- no more connections")
    }))

  it.effect("is reported at the latest when the layer closes", () =>
    Effect.gen(function*() {
      const { config, file } = yield* recordOne
      const exit = yield* Effect.exit(
        replay(file)(Effect.ignore(
          Effect.scoped(Effect.flatMap(Session.make(config), (session) => session.query("select 9")))
        ))
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "query: \"select 9\"")
    }))
})

describe("Recording", () => {
  const certificates = Certificates.selfSigned({ name: "localhost", hosts: ["localhost", "127.0.0.1"] })

  it.live("records and replays that a connection was secured", () =>
    Effect.gen(function*() {
      const tls = yield* certificates
      const server = yield* PostgresServer.make({ tls })
      const file = yield* newFile
      const program = Effect.scoped(Effect.gen(function*() {
        const session = yield* Session.make({ ...server, sslMode: "require" })
        return [session.tls?.protocol, (yield* session.values("select 1")).rows]
      }))
      const recorded = yield* record(file)(program)
      assert.deepStrictEqual(recorded, ["TLSv1.3", [[1]]])
      assert.deepStrictEqual(yield* replay(file)(program), recorded)
      const tags = linesOf(yield* read(file)).map(({ _tag }) => _tag)
      assert.deepStrictEqual(tags.slice(0, 6), ["Recording", "Opened", "Sent", "Answered", "Secured", "Sent"])
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("records and replays broken and refused connections", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.make()
      const file = yield* newFile
      const attempt = Effect.flip(Effect.scoped(Effect.flatMap(Session.make(server), ({ query }) => query("select 1"))))
      const program = Effect.all([attempt, attempt, attempt]).pipe(
        Effect.map((errors) =>
          errors.map((error) => (error._tag === "TransportError" ? error.reason.message : error._tag))
        )
      )
      const faults = FaultTransport.layer({
        connections: [{ connect: "refuse" }, { reading: { disconnectAfter: 700 }, disconnect: "reset" }, {
          reading: { disconnectAfter: 700 }
        }]
      })
      const recorded = yield* program.pipe(record(file), Effect.provide(faults))
      assert.lengthOf(new Set(recorded), 3)
      const lines = linesOf(yield* read(file))
      assert.deepStrictEqual(
        lines.filter(({ _tag, by }) => _tag === "Refused" || by === "server").map(({ code }) => code),
        [
          "ECONNREFUSED",
          "ECONNRESET",
          undefined
        ]
      )
      assert.deepStrictEqual(yield* replay(file)(program), recorded)
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("passes on data that is not the protocol, and leaves it out", () =>
    Effect.gen(function*() {
      const file = yield* newFile
      const echo = InMemory.layer((line) =>
        Effect.forever(Effect.flatMap(line.pull, (chunks) => Effect.forEach(chunks, line.write)))
      )
      const sent = text.encode("GET / HTTP/1.1\r\n\r\n")
      yield* Effect.scoped(Effect.gen(function*() {
        const line = yield* Effect.flatMap(Transport.Transport, ({ connect }) => connect(Endpoint.tcp("web", 80)))
        yield* line.write(sent)
        assert.deepStrictEqual(yield* line.pull, [sent])
      })).pipe(record(file), Effect.provide(echo))
      const lines = linesOf(yield* read(file))
      assert.deepStrictEqual(lines.map(({ _tag, by }) => [_tag, by]), [
        ["Recording", undefined],
        ["Opened", undefined],
        ["Unreadable", "client"],
        ["Unreadable", "server"],
        ["Closed", "client"]
      ])
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Recording.replay(file))))
      assert.include(error.message, "line 3 of the recording: bytes that are not the protocol")
    }).pipe(Effect.provide(NodePlatform.layer)))

  const head = "{\"_tag\":\"Recording\",\"version\":1,\"content\":\"full\"}\n"
  const wrong: Readonly<Record<string, readonly [recording: string, problem: string]>> = {
    "empty": ["", "line 1 of the recording: is not the beginning"],
    "another file": ["{\"a\":1}", "line 1 of the recording: is not the beginning"],
    "a later version": [head.replace("1", "2"), "line 1 of the recording: is not the beginning"],
    "a redacted one": [head.replace("full", "redacted"), "it is redacted; only one with the content \"full\""],
    "not JSON": [`${head}nonsense`, "line 2 of the recording: is not an entry"],
    "an unknown entry": [
      `${head}\n{"_tag":"Guessed","at":0,"connection":1}`,
      "line 3 of the recording: is not an entry"
    ],
    "an unknown message": [
      `${head}{"_tag":"Sent","at":0,"connection":1,"message":{"_tag":"Question"}}`,
      "line 2 of the recording: is not a message"
    ]
  }
  for (const [name, [recording, problem]] of Object.entries(wrong)) {
    it.effect(`rejects a recording that is ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Recording.replayText(recording))))
        assert.strictEqual(error._tag, "RecordingError")
        assert.include(error.message, problem)
      }))
  }

  it.live("fails to write or read where no file can be", () =>
    Effect.gen(function*() {
      for (const layer of [Recording.record("/no/such/directory/file"), Recording.replay("/no/such/file")]) {
        const error = yield* Effect.flip(
          Effect.scoped(Layer.build(layer as Layer.Layer<never, unknown, NodePlatform.NodePlatform>))
        )
        assert.strictEqual((error as { readonly _tag: string })._tag, "PlatformError")
      }
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("does not reveal a password in the configuration", () =>
    Effect.gen(function*() {
      const files = yield* Effect.forEach(["password", "md5", "scram-sha-256"] as const, (authentication) =>
        Effect.gen(function*() {
          const server = yield* PostgresServer.make({ authentication, password: Redacted.make(secret) })
          const file = yield* newFile
          const config = { ...server, policy: { allowCleartextWithoutTls: true, allowMd5WithoutTls: true } }
          yield* record(file)(Effect.scoped(Session.make(config)))
          return yield* read(file)
        }), { concurrency: 3 })
      assert.include(files[0], "AuthenticationCleartextPassword")
      assert.include(files[1], "AuthenticationMD5Password")
      for (const file of files) {
        assert.notInclude(file, secret)
        assert.notInclude(file, Buffer.from(secret).toString("base64"))
        assert.notMatch(file, /md5[0-9a-f]{32}|"p=|,p=/)
      }
    }).pipe(Effect.provide(NodePlatform.layer)))
})

describe.concurrent("Transport laws while recording", () => {
  const recorded = Layer.unwrap(Effect.map(newFile, (file) => Recording.record(file))).pipe(
    Layer.provideMerge(NodeTransport.layer),
    Layer.provide(NodePlatform.layer)
  )
  const place = {
    endpoint: Effect.succeed(Endpoint.tcp("127.0.0.1", 0)),
    maxWriteSize: 1_000_000,
    timeout: "3 minutes"
  }
  for (const law of TransportConformance.laws(place as TransportConformance.Options)) {
    it.live(law.name, () => Effect.provide(law.check, recorded))
  }
})
