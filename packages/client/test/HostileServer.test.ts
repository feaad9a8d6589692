/**
 * Servers that want what they should not get. Whoever connects to one hears in time what is wrong, by its tag, and the
 * password is in nothing that was written, logged, traced or thrown.
 */
import { assert, describe, it } from "@effect/vitest"
import { Authenticate, type Policy, ScramMessage, ScramVerifier } from "@hyperfect/auth"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import type { Backend } from "@hyperfect/protocol"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import type { Accepted } from "@hyperfect/transport/Listener"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Transport from "@hyperfect/transport/Transport"
import { Cause, Effect, Exit, Layer, Logger, Redacted, References, Result, Tracer } from "effect"
import { inspect } from "node:util"

const secret = "c0rrect-h0rse"
const password = Redacted.make(secret)
const salt = Uint8Array.from(Buffer.from("0123456789abcdef"))
const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

const certificate = await Effect.runPromise(Certificates.selfSigned({ name: "server" }))

const ok = { _tag: "AuthenticationOk" } as const
const ready = { _tag: "ReadyForQuery", status: "I" } as const

type Server = (line: Accepted) => Effect.Effect<unknown, unknown, Authenticate.Services>

/** A channel on which a client has asked for a session, with TLS or without. */
const begin = Effect.fnUntraced(function*(line: Accepted) {
  const channel = MessageChannel.server(line)
  let packet = yield* channel.receive
  if (packet._tag === "SSLRequest") {
    yield* line.write(bytes("S"))
    yield* line.acceptTls(certificate)
    packet = yield* channel.receive
  }
  assert.strictEqual(packet._tag, "StartupMessage")
  return channel
})

/** A server that says something in place of a request for a proof. */
const saying = (...messages: ReadonlyArray<Backend.Message>): Server => (line) =>
  Effect.flatMap(begin(line), (channel) => Effect.andThen(channel.send(...messages), channel.receive))

interface Lies {
  readonly mechanisms?: ReadonlyArray<string>
  readonly first?: (honest: string, nonce: string) => string
  readonly final?: (honest: string) => string
  /** Where it stops to say anything. */
  readonly silent?: "first" | "final"
  /** Where it says that we are in without more ado. */
  readonly early?: "first" | "final"
}

/** A server that knows the password, and follows SCRAM but for its lies. */
const scram = (lies: Lies): Server =>
  Effect.fnUntraced(function*(line) {
    const channel = yield* begin(line)
    channel.phase = "sasl-initial"
    yield* channel.send({ _tag: "AuthenticationSASL", mechanisms: lies.mechanisms ?? [ScramMessage.mechanism] })
    const initial = yield* channel.receive
    assert(initial._tag === "SASLInitialResponse" && initial.data !== null)
    if (lies.early === "first") return yield* channel.send(ok, ready)
    if (lies.silent === "first") return yield* Effect.never
    const clientFirst = Result.getOrThrow(ScramMessage.readClientFirst(initial.data))
    const honest = ScramMessage.serverFirst(`${clientFirst.nonce}~server`, salt, 4096).text
    const serverFirst = lies.first?.(honest, clientFirst.nonce) ?? honest
    channel.phase = "sasl"
    yield* channel.send({ _tag: "AuthenticationSASLContinue", data: bytes(serverFirst) })
    const response = yield* channel.receive
    assert(response._tag === "SASLResponse")
    if (lies.early === "final") return yield* channel.send(ok, ready)
    if (lies.silent === "final") return yield* Effect.never
    const { withoutProof } = Result.getOrThrow(ScramMessage.readClientFinal(response.data))
    const keys = yield* ScramVerifier.keys(password, salt, 4096)
    const authMessage = [clientFirst.bare, serverFirst, withoutProof].join(",")
    const final = ScramMessage.serverFinal(yield* ScramVerifier.serverSignature(keys, authMessage))
    yield* channel.send(
      { _tag: "AuthenticationSASLFinal", data: bytes(lies.final?.(final) ?? final) },
      ok,
      ready
    )
  })

/** A server that answers an SSLRequest with these bytes. */
const answering = (...answer: ReadonlyArray<number>): Server => (line) =>
  Effect.gen(function*() {
    yield* MessageChannel.server(line).receive
    yield* line.write(Uint8Array.from(answer))
    return yield* Effect.never
  })

/** The bytes come one by one, and each is a chunk of its own. */
const byteByByte = (server: Server): Server => (line) =>
  server({
    ...line,
    write: (bytes) =>
      Effect.forEach(bytes, (byte) => Effect.andThen(line.write(Uint8Array.of(byte)), Effect.yieldNow), {
        discard: true
      })
  })

interface Case {
  readonly server: Server
  readonly policy?: Policy.Policy
  readonly sslMode?: "disable" | "require"
  /** The tag of the error or its reason, with what it says beyond that. */
  readonly wanted: string
}

/** All that an error says when somebody looks at it in any of the usual ways. */
const spoken = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => [
  Cause.pretty(cause),
  inspect(cause, { depth: 20, showHidden: true }),
  ...cause.reasons.map((reason) => inspect(reason, { depth: 20, showHidden: true })),
  ...cause.reasons.map((reason) => reason._tag === "Fail" ? JSON.stringify(reason.error) + String(reason.error) : "")
]

/** For servers that take all the time that they are given. */
const briefly = 150

/** Connects to a server, and looks for the password in all that comes of it. */
const meet = ({ policy, server, sslMode = "disable" }: Omit<Case, "wanted">, connectTimeout = 5_000) =>
  Effect.gen(function*() {
    const written: Array<Uint8Array> = []
    const logged: Array<string> = []
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const watching = Layer.effect(
      Transport.Transport,
      Effect.map(Transport.Transport, (inner) =>
        Transport.Transport.of({
          connect: (...where) =>
            Effect.map(inner.connect(...where), (connection) => ({
              ...connection,
              write: (bytes: Uint8Array) => {
                written.push(bytes.slice())
                return connection.write(bytes)
              }
            }))
        }))
    ).pipe(Layer.provide(InMemory.layer((line) => Effect.ignore(server(line)))))
    const config: ConnectionConfig = {
      endpoint: Endpoint.tcp("server", 5432),
      user: "app",
      password,
      sslMode,
      connectTimeout,
      policy
    }
    const exit = yield* Session.make(config).pipe(
      Effect.map((session) => session.authentication),
      Effect.scoped,
      Effect.withSpan("connect"),
      Effect.exit,
      Effect.tap((exit) => Effect.logDebug("connected", exit)),
      Effect.provide(watching),
      Effect.withTracer(tracer),
      Effect.provide(Logger.layer([
        Logger.make(({ cause, message }) => logged.push(inspect(message, { depth: 20 }), Cause.pretty(cause)))
      ])),
      Effect.provideService(References.MinimumLogLevel, "Trace"),
      // Far from the time that a server is given: this is for one that makes us hang.
      Effect.timeout("10 seconds")
    )
    const thrown = Exit.isFailure(exit) ? spoken(exit.cause) : []
    const traced = spans.map((span) => inspect(span, { depth: 10 }))
    assert.isTrue(traced.length > 0 && logged.length > 0)
    const places = { logged, thrown, traced, written: [Buffer.concat(written).toString("latin1")] }
    const forms = (["utf8", "base64", "hex"] as const).map((encoding) => Buffer.from(secret).toString(encoding))
    const leaks = Object.entries(places).filter(([, texts]) =>
      texts.some((text) => forms.some((form) => text.includes(form)))
    )
    return { exit, leaks: leaks.map(([place]) => place) }
  }).pipe(Effect.provide(Authenticate.layerCrypto))

/** The tag of what went wrong, and what else tells it from others. */
const summary = (exit: Exit.Exit<unknown, unknown>): string => {
  assert(Exit.isFailure(exit), "fails")
  const failure = Cause.findError(exit.cause)
  assert(Result.isSuccess(failure), `fails with a typed error, not with ${Cause.pretty(exit.cause)}`)
  const { reason } = failure.success as { readonly reason: Readonly<Record<string, unknown>> }
  const details = ["rule", "flaw", "problem", "milliseconds"].filter((key) => key in reason)
  return [reason["_tag"], ...details.map((key) => reason[key])].join(" ")
}

const replace = (from: RegExp, to: string) => (honest: string) => honest.replace(from, to)
const scramOnly: Policy.Policy = { methods: ["scram-sha-256"] }
const bound: Policy.Policy = { channelBinding: "require" }
const late = `OpenTimeout ${briefly}`

const cases: Readonly<Record<string, Case>> = {
  "asks for the password in clear text": {
    server: saying({ _tag: "AuthenticationCleartextPassword" }),
    wanted: "MethodRefused cleartext"
  },
  "asks for it in clear text over TLS, where SCRAM is demanded": {
    server: saying({ _tag: "AuthenticationCleartextPassword" }),
    sslMode: "require",
    policy: scramOnly,
    wanted: "MethodRefused method"
  },
  "asks for an MD5 hash, where SCRAM is demanded": {
    server: saying({ _tag: "AuthenticationMD5Password", salt: Uint8Array.of(1, 2, 3, 4) }),
    policy: scramOnly,
    wanted: "MethodRefused method"
  },
  "asks for a token that there is none of": {
    server: saying({ _tag: "AuthenticationSASL", mechanisms: ["OAUTHBEARER"] }),
    policy: scramOnly,
    wanted: "MethodRefused method"
  },
  "lowers the iterations": {
    server: scram({ first: replace(/i=4096/, "i=1") }),
    wanted: "IterationsOutOfBounds"
  },
  "raises the iterations": {
    server: scram({ first: replace(/i=4096/, "i=2000000000") }),
    wanted: "IterationsOutOfBounds"
  },
  "repeats our nonce": {
    server: scram({ first: (honest, nonce) => honest.replace(/^r=[^,]*/, `r=${nonce}`) }),
    wanted: "ServerNotAuthentic nonce"
  },
  "changes our nonce": {
    server: scram({ first: replace(/^r=./, "r=~") }),
    wanted: "ServerNotAuthentic nonce"
  },
  "forges its signature": {
    server: scram({ final: () => ScramMessage.serverFinal(new Uint8Array(32)) }),
    wanted: "ServerNotAuthentic signature"
  },
  "omits its signature": { server: scram({ final: () => "" }), wanted: "ServerNotAuthentic signature-missing" },
  "lets us in in place of its signature": {
    server: scram({ early: "final" }),
    wanted: "ServerNotAuthentic signature-missing"
  },
  "lets us in in place of its challenge": {
    server: scram({ early: "first" }),
    wanted: "ServerNotAuthentic signature-missing"
  },
  "lets us in at once, where SCRAM is demanded": {
    server: saying(ok, ready),
    policy: scramOnly,
    wanted: "MethodRefused method"
  },
  "lets us in at once, where the log-in must be bound to TLS": {
    server: saying(ok, ready),
    sslMode: "require",
    policy: bound,
    wanted: "ChannelBindingUnavailable not-offered"
  },
  "strips -PLUS, where the log-in must be bound to TLS": {
    server: scram({}),
    sslMode: "require",
    policy: bound,
    wanted: "ChannelBindingUnavailable not-offered"
  },
  "offers -PLUS without TLS": {
    server: scram({ mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] }),
    wanted: "ChannelBindingUnavailable plain-line"
  },
  "binds the log-in to TLS, and garbles its signature": {
    server: scram({ mechanisms: ["SCRAM-SHA-256-PLUS"], final: replace(/^v=./, "v=~") }),
    sslMode: "require",
    policy: bound,
    wanted: "MechanismMalformed v= is not Base64"
  },
  "sends garbage in place of S": {
    server: answering(0x48, 0x54, 0x54, 0x50),
    sslMode: "require",
    wanted: "TlsRefused"
  },
  "sends garbage behind S": {
    server: answering(0x53, 0x52, 0, 0, 0, 8, 0, 0, 0, 3),
    sslMode: "require",
    wanted: "TlsRefused"
  },
  "refuses TLS where it is demanded": { server: answering(0x4e), sslMode: "require", wanted: "TlsRefused" },
  "sends garbage in place of a message": {
    server: (line) => Effect.andThen(line.pull, line.write(bytes("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    wanted: "LengthExceeded"
  },
  "never answers": { server: () => Effect.never, wanted: late },
  "never answers an SSLRequest": { server: () => Effect.never, sslMode: "require", wanted: late },
  "never goes on with the handshake of TLS": { server: answering(0x53), sslMode: "require", wanted: late },
  "never answers our first message": { server: scram({ silent: "first" }), wanted: late },
  "never answers our proof": { server: scram({ silent: "final" }), wanted: late },
  "answers byte by byte, and asks for clear text": {
    server: byteByByte(saying({ _tag: "AuthenticationCleartextPassword" })),
    wanted: "MethodRefused cleartext"
  },
  "answers byte by byte, and forges its signature": {
    server: byteByByte(scram({ final: () => ScramMessage.serverFinal(new Uint8Array(32)) })),
    wanted: "ServerNotAuthentic signature"
  },
  "answers byte by byte, without end": {
    server: (line) =>
      Effect.gen(function*() {
        yield* line.pull
        yield* line.write(Uint8Array.of(0x4e, 0, 0, 0x70, 0))
        while (true) yield* Effect.andThen(line.write(Uint8Array.of(0x4d)), Effect.sleep("20 millis"))
      }),
    wanted: late
  }
}

describe("a server that", () => {
  for (const [what, { wanted, ...given }] of Object.entries(cases)) {
    it.live(`${what} is told off, and does not get the password`, () =>
      Effect.gen(function*() {
        const { exit, leaks } = yield* meet(given, wanted === late ? briefly : undefined)
        assert.strictEqual(summary(exit), wanted)
        assert.deepStrictEqual(leaks, [])
      }))
  }

  it.live("asks for the password in clear text gets it where that is allowed, and nobody else does", () =>
    Effect.gen(function*() {
      const { leaks } = yield* meet({
        server: saying({ _tag: "AuthenticationCleartextPassword" }),
        policy: { allowCleartextWithoutTls: true }
      })
      assert.deepStrictEqual(leaks, ["written"])
    }))

  it.live("is honest gets a session, but not the password either", () =>
    Effect.gen(function*() {
      for (const server of [scram({}), byteByByte(scram({}))]) {
        for (const sslMode of ["disable", "require"] as const) {
          const { exit, leaks } = yield* meet({ server, sslMode, policy: scramOnly })
          assert.deepStrictEqual(exit, Exit.succeed("scram-sha-256"))
          assert.deepStrictEqual(leaks, [])
        }
      }
    }))
})
