/**
 * Servers that try to obtain a password or break the protocol. The client fails in time with a tag that tells what is
 * wrong, and the password is in nothing that was written, logged, traced or thrown.
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

/** A channel on which a client has requested a session, with TLS or without. */
const acceptStartup = Effect.fnUntraced(function*(line: Accepted) {
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

/** A server that sends these messages in place of an authentication request. */
const respondWith = (...messages: ReadonlyArray<Backend.Message>): Server => (line) =>
  Effect.flatMap(acceptStartup(line), (channel) => Effect.andThen(channel.send(...messages), channel.receive))

interface ScramDeviations {
  readonly mechanisms?: ReadonlyArray<string>
  readonly first?: (honest: string, nonce: string) => string
  readonly final?: (honest: string) => string
  /** The message before which it stops answering. */
  readonly stallBefore?: "first" | "final"
  /** The message before which it sends AuthenticationOk. */
  readonly authenticateBefore?: "first" | "final"
}

/** A server that knows the password and follows SCRAM, with these deviations. */
const scramServer = (deviations: ScramDeviations): Server =>
  Effect.fnUntraced(function*(line) {
    const channel = yield* acceptStartup(line)
    channel.phase = "sasl-initial"
    yield* channel.send({ _tag: "AuthenticationSASL", mechanisms: deviations.mechanisms ?? [ScramMessage.mechanism] })
    const initial = yield* channel.receive
    assert(initial._tag === "SASLInitialResponse" && initial.data !== null)
    if (deviations.authenticateBefore === "first") return yield* channel.send(ok, ready)
    if (deviations.stallBefore === "first") return yield* Effect.never
    const clientFirst = Result.getOrThrow(ScramMessage.readClientFirst(initial.data))
    const honest = ScramMessage.serverFirst(`${clientFirst.nonce}~server`, salt, 4096).text
    const serverFirst = deviations.first?.(honest, clientFirst.nonce) ?? honest
    channel.phase = "sasl"
    yield* channel.send({ _tag: "AuthenticationSASLContinue", data: bytes(serverFirst) })
    const response = yield* channel.receive
    assert(response._tag === "SASLResponse")
    if (deviations.authenticateBefore === "final") return yield* channel.send(ok, ready)
    if (deviations.stallBefore === "final") return yield* Effect.never
    const { withoutProof } = Result.getOrThrow(ScramMessage.readClientFinal(response.data))
    const keys = yield* ScramVerifier.deriveKeys(password, salt, 4096)
    const authMessage = [clientFirst.bare, serverFirst, withoutProof].join(",")
    const final = ScramMessage.serverFinal(yield* ScramVerifier.serverSignature(keys, authMessage))
    yield* channel.send(
      { _tag: "AuthenticationSASLFinal", data: bytes(deviations.final?.(final) ?? final) },
      ok,
      ready
    )
  })

/** A server that answers an SSLRequest with these bytes. */
const answerSslRequest = (...answer: ReadonlyArray<number>): Server => (line) =>
  Effect.gen(function*() {
    yield* MessageChannel.server(line).receive
    yield* line.write(Uint8Array.from(answer))
    return yield* Effect.never
  })

/** Sends each byte as a chunk of its own. */
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
  /** The tag of the error or its reason, and its details. */
  readonly expected: string
}

/** All texts of an error when it is printed in any of the usual ways. */
const renderings = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => [
  Cause.pretty(cause),
  inspect(cause, { depth: 20, showHidden: true }),
  ...cause.reasons.map((reason) => inspect(reason, { depth: 20, showHidden: true })),
  ...cause.reasons.map((reason) => reason._tag === "Fail" ? JSON.stringify(reason.error) + String(reason.error) : "")
]

/** For servers that use up the whole timeout. */
const shortTimeout = 150

/** Connects to a server, and searches all outputs for the password. */
const connect = ({ policy, server, sslMode = "disable" }: Omit<Case, "expected">, connectTimeout = 5_000) =>
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
      // Far longer than the connection timeout: it is reached only if the client hangs.
      Effect.timeout("30 seconds")
    )
    const thrown = Exit.isFailure(exit) ? renderings(exit.cause) : []
    const traced = spans.map((span) => inspect(span, { depth: 10 }))
    assert.isTrue(traced.length > 0 && logged.length > 0)
    const places = { logged, thrown, traced, written: [Buffer.concat(written).toString("latin1")] }
    const forms = (["utf8", "base64", "hex"] as const).map((encoding) => Buffer.from(secret).toString(encoding))
    const leaks = Object.entries(places).filter(([, texts]) =>
      texts.some((text) => forms.some((form) => text.includes(form)))
    )
    return { exit, leaks: leaks.map(([place]) => place) }
  }).pipe(Effect.provide(Authenticate.layerCrypto))

/** The tag of the error, and the details that distinguish it. */
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
const requireChannelBinding: Policy.Policy = { channelBinding: "require" }
const openTimedOut = `OpenTimeout ${shortTimeout}`

const cases: Readonly<Record<string, Case>> = {
  "requests the cleartext password": {
    server: respondWith({ _tag: "AuthenticationCleartextPassword" }),
    expected: "MethodRefused cleartext"
  },
  "requests the cleartext password over TLS, where SCRAM is required": {
    server: respondWith({ _tag: "AuthenticationCleartextPassword" }),
    sslMode: "require",
    policy: scramOnly,
    expected: "MethodRefused method"
  },
  "requests an MD5 hash, where SCRAM is required": {
    server: respondWith({ _tag: "AuthenticationMD5Password", salt: Uint8Array.of(1, 2, 3, 4) }),
    policy: scramOnly,
    expected: "MethodRefused method"
  },
  "requests a token that the client does not have": {
    server: respondWith({ _tag: "AuthenticationSASL", mechanisms: ["OAUTHBEARER"] }),
    policy: scramOnly,
    expected: "MethodRefused method"
  },
  "lowers the iteration count": {
    server: scramServer({ first: replace(/i=4096/, "i=1") }),
    expected: "IterationsOutOfBounds"
  },
  "raises the iteration count": {
    server: scramServer({ first: replace(/i=4096/, "i=2000000000") }),
    expected: "IterationsOutOfBounds"
  },
  "repeats the client's nonce": {
    server: scramServer({ first: (honest, nonce) => honest.replace(/^r=[^,]*/, `r=${nonce}`) }),
    expected: "ServerNotAuthentic nonce"
  },
  "changes the client's nonce": {
    server: scramServer({ first: replace(/^r=./, "r=~") }),
    expected: "ServerNotAuthentic nonce"
  },
  "forges its signature": {
    server: scramServer({ final: () => ScramMessage.serverFinal(new Uint8Array(32)) }),
    expected: "ServerNotAuthentic signature"
  },
  "omits its signature": { server: scramServer({ final: () => "" }), expected: "ServerNotAuthentic signature-missing" },
  "sends AuthenticationOk in place of its signature": {
    server: scramServer({ authenticateBefore: "final" }),
    expected: "ServerNotAuthentic signature-missing"
  },
  "sends AuthenticationOk in place of its challenge": {
    server: scramServer({ authenticateBefore: "first" }),
    expected: "ServerNotAuthentic signature-missing"
  },
  "sends AuthenticationOk at once, where SCRAM is required": {
    server: respondWith(ok, ready),
    policy: scramOnly,
    expected: "MethodRefused method"
  },
  "sends AuthenticationOk at once, where channel binding is required": {
    server: respondWith(ok, ready),
    sslMode: "require",
    policy: requireChannelBinding,
    expected: "ChannelBindingUnavailable not-offered"
  },
  "strips -PLUS, where channel binding is required": {
    server: scramServer({}),
    sslMode: "require",
    policy: requireChannelBinding,
    expected: "ChannelBindingUnavailable not-offered"
  },
  "offers -PLUS without TLS": {
    server: scramServer({ mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] }),
    expected: "ChannelBindingUnavailable offered-without-tls"
  },
  "uses channel binding and garbles its signature": {
    server: scramServer({ mechanisms: ["SCRAM-SHA-256-PLUS"], final: replace(/^v=./, "v=~") }),
    sslMode: "require",
    policy: requireChannelBinding,
    expected: "MechanismMalformed v= is not Base64"
  },
  "sends garbage in place of S": {
    server: answerSslRequest(0x48, 0x54, 0x54, 0x50),
    sslMode: "require",
    expected: "TlsRefused"
  },
  "sends garbage after S": {
    server: answerSslRequest(0x53, 0x52, 0, 0, 0, 8, 0, 0, 0, 3),
    sslMode: "require",
    expected: "TlsRefused"
  },
  "refuses TLS where it is required": { server: answerSslRequest(0x4e), sslMode: "require", expected: "TlsRefused" },
  "sends garbage in place of a message": {
    server: (line) => Effect.andThen(line.pull, line.write(bytes("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    expected: "LengthExceeded"
  },
  "never answers": { server: () => Effect.never, expected: openTimedOut },
  "never answers an SSLRequest": { server: () => Effect.never, sslMode: "require", expected: openTimedOut },
  "never continues the TLS handshake": {
    server: answerSslRequest(0x53),
    sslMode: "require",
    expected: openTimedOut
  },
  "never answers the client-first message": { server: scramServer({ stallBefore: "first" }), expected: openTimedOut },
  "never answers the client's proof": { server: scramServer({ stallBefore: "final" }), expected: openTimedOut },
  "answers byte by byte and requests the cleartext password": {
    server: byteByByte(respondWith({ _tag: "AuthenticationCleartextPassword" })),
    expected: "MethodRefused cleartext"
  },
  "answers byte by byte and forges its signature": {
    server: byteByByte(scramServer({ final: () => ScramMessage.serverFinal(new Uint8Array(32)) })),
    expected: "ServerNotAuthentic signature"
  },
  "answers byte by byte without end": {
    server: (line) =>
      Effect.gen(function*() {
        yield* line.pull
        yield* line.write(Uint8Array.of(0x4e, 0, 0, 0x70, 0))
        while (true) yield* Effect.andThen(line.write(Uint8Array.of(0x4d)), Effect.sleep("20 millis"))
      }),
    expected: openTimedOut
  }
}

describe("a server that", () => {
  for (const [what, { expected, ...given }] of Object.entries(cases)) {
    it.live(`${what} is refused, and does not get the password`, () =>
      Effect.gen(function*() {
        const { exit, leaks } = yield* connect(given, expected === openTimedOut ? shortTimeout : undefined)
        assert.strictEqual(summary(exit), expected)
        assert.deepStrictEqual(leaks, [])
      }))
  }

  it.live("requests a cleartext password gets it where that is allowed", () =>
    Effect.gen(function*() {
      const { leaks } = yield* connect({
        server: respondWith({ _tag: "AuthenticationCleartextPassword" }),
        policy: { allowCleartextWithoutTls: true }
      })
      assert.deepStrictEqual(leaks, ["written"])
    }))

  it.live("is honest gets a session, but not the password", () =>
    Effect.gen(function*() {
      for (const server of [scramServer({}), byteByByte(scramServer({}))]) {
        for (const sslMode of ["disable", "require"] as const) {
          const { exit, leaks } = yield* connect({ server, sslMode, policy: scramOnly })
          assert.deepStrictEqual(exit, Exit.succeed("scram-sha-256"))
          assert.deepStrictEqual(leaks, [])
        }
      }
    }))
})
