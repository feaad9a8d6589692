/** Responses to a client that violates the protocol: the same as PostgreSQL 18's. */
import { assert, layer } from "@effect/vitest"
import { Account, Authenticate, ScramVerifier } from "@hyperfect/auth"
import { NodePlatform } from "@hyperfect/node"
import { Backend, ErrorField } from "@hyperfect/protocol"
import { PostgresServer } from "@hyperfect/testing"
import { type Connection, InMemory, MessageChannel, Transport } from "@hyperfect/transport"
import { Effect, Layer, Redacted } from "effect"

const password = Redacted.make("s3cret")

const Server = PostgresServer.layer({
  hba: ["host all trusting all trust", "host all clear all password", "host all hashing all md5"],
  databases: ["app"],
  setup: [
    ...["trusting", "clear", "proving"].map((role) => `create role ${role} login password 's3cret'`),
    "set password_encryption = 'md5'",
    "create role hashing login password 's3cret'"
  ]
}).pipe(Layer.provideMerge(NodePlatform.layer))

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")
const int32 = (value: number) => Buffer.from(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value))
const packet = (...parts: ReadonlyArray<Uint8Array | string>) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  return Buffer.concat([int32(body.length + 4), body])
}
const startup = (user: string, version = 0x30000, ...more: ReadonlyArray<string>) =>
  packet(int32(version), `user\0${user}\0database\0app\0`, ...more, "\0")
const message = (tag: string, ...parts: ReadonlyArray<Uint8Array | string>) =>
  Buffer.concat([Buffer.from(tag), packet(...parts)])
const sslRequest = hex("00000008 04d2162f")
const gssRequest = hex("00000008 04d21630")

/** The bytes to write; each part after the response to the one before. */
const conversations: Record<string, ReadonlyArray<Uint8Array>> = {
  "a StartupMessage after SSLRequest, before its answer": [Buffer.concat([sslRequest, startup("trusting")])],
  "a StartupMessage after GSSENCRequest, before its answer": [Buffer.concat([gssRequest, startup("trusting")])],
  "SSLRequest twice": [sslRequest, sslRequest],
  "GSSENCRequest twice": [gssRequest, gssRequest],
  "SSLRequest, GSSENCRequest, SSLRequest": [sslRequest, gssRequest, sslRequest],
  "both requests, then a StartupMessage": [sslRequest, gssRequest, startup("trusting")],
  "a StartupMessage without its terminator": [packet(int32(0x30000), "user\0trusting\0")],
  "a StartupMessage that is only a version": [packet(int32(0x30000))],
  "a StartupMessage without parameters": [packet(int32(0x30000), "\0")],
  "a StartupMessage with bytes after its terminator": [packet(int32(0x30000), "user\0trusting\0\0\0")],
  "a StartupMessage that ends inside a value": [packet(int32(0x30000), "user\0trusting")],
  "a StartupMessage with an empty user": [packet(int32(0x30000), "user\0\0\0")],
  "version 3.1": [startup("trusting", 0x30001)],
  "version 3.2": [startup("trusting", 0x30002)],
  "version 3.3": [startup("trusting", 0x30003)],
  "version 3.9999": [startup("trusting", 206607)],
  "version 3.1 with an option": [startup("trusting", 0x30001, "_pq_.x\0y\0")],
  "version 3.2 with an option": [startup("trusting", 0x30002, "_pq_.x\0y\0")],
  "version 3.0 with an option": [startup("trusting", 0x30000, "_pq_.x\0y\0")],
  "version 4.0": [startup("trusting", 0x40000)],
  "a packet that is too short": [hex("00000007 000000")],
  "another protocol": [Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  "a CancelRequest without a key": [packet(int32(80877102), int32(1))],
  "a CancelRequest with an unknown key": [packet(int32(80877102), int32(1), int32(2))],
  "a Query in place of a password": [startup("clear"), message("Q", "select 1\0")],
  "an unknown tag in place of a password": [startup("clear"), message("!", "")],
  "a Sync in place of a password": [startup("clear"), message("S")],
  "an empty password": [startup("clear"), message("p", "\0")],
  "a password without its terminator": [startup("clear"), message("p", "abc")],
  "a password with trailing bytes": [startup("clear"), message("p", "s3cret\0x")],
  "a PasswordMessage without a body": [startup("clear"), message("p")],
  "a wrong password": [startup("clear"), message("p", "x\0")],
  "a password that is not UTF-8": [startup("clear"), message("p", Uint8Array.of(0xff, 0))],
  "a password that is too long": [startup("clear"), Buffer.concat([Buffer.from("p"), int32(65_536 + 4)])],
  "a password with an impossible length": [startup("clear"), Buffer.concat([Buffer.from("p"), int32(3)])],
  "a wrong MD5 hash": [startup("hashing"), message("p", "x\0")],
  "a SASL mechanism that was not offered": [startup("proving"), message("p", "PLAIN\0", int32(3), "abc")],
  "an invalid first SCRAM message": [startup("proving"), message("p", "SCRAM-SHA-256\0", int32(3), "abc")],
  "a SASL mechanism without a first message": [startup("proving"), message("p", "SCRAM-SHA-256\0", int32(-1))],
  "a SASL mechanism without its terminator": [startup("proving"), message("p", "SCRAM-SHA-256")],
  "a SASLInitialResponse with trailing bytes": [startup("proving"), message("p", "SCRAM-SHA-256\0", int32(3), "abcd")],
  "a SASLInitialResponse that ends too early": [startup("proving"), message("p", "SCRAM-SHA-256\0", int32(9), "abcd")],
  "an invalid last SCRAM message": [
    startup("proving"),
    message("p", "SCRAM-SHA-256\0", int32(12), "n,,n=,r=abcd"),
    message("p", "abc")
  ],
  "an unknown tag in a session": [startup("trusting"), message("!")],
  "a PasswordMessage in a session": [startup("trusting"), message("p", "x\0")],
  "a Query without its terminator": [startup("trusting"), message("Q", "select 1"), message("Q", "select 2\0")],
  "a Query with trailing bytes": [startup("trusting"), message("Q", "select 1\0x"), message("Q", "select 2\0")],
  "a Query that is not UTF-8": [
    startup("trusting"),
    message("Q", "select '", Uint8Array.of(0xff), "'\0"),
    message("Q", "select 2\0")
  ],
  "a Sync with a body": [startup("trusting"), message("S", "x"), message("Q", "select 2\0")],
  "a Describe of an unknown kind": [startup("trusting"), message("D", "X\0"), message("S")],
  "a Close of an unknown kind": [startup("trusting"), message("C", "X\0"), message("S")],
  "a Flush with a body": [startup("trusting"), message("H", "X"), message("S")],
  "a Parse that ends too early": [startup("trusting"), message("P", "a\0select 1\0", Uint8Array.of(0)), message("S")],
  "a Bind that ends inside a name": [startup("trusting"), message("B", "a\0"), message("S")],
  "an Execute without its limit": [startup("trusting"), message("E", "a\0"), message("S")],
  "a message with an impossible length": [startup("trusting"), Buffer.concat([Buffer.from("Q"), int32(3)])]
}

const accounts: Readonly<Record<string, (verifier: ScramVerifier.ScramVerifier) => Account.Account>> = {
  trusting: () => Account.trust,
  clear: () => Account.password(password),
  hashing: () => Account.password(password, "md5"),
  proving: Account.scramSha256
}

const ready = { _tag: "ReadyForQuery", status: "I" } as const

/** A minimal server with the same response to every Query and every Execute. */
const serveSession = Effect.fnUntraced(function*(channel: MessageChannel.Server) {
  let isSkipping = false
  while (true) {
    const [message, error] = yield* Effect.match(channel.receive, {
      onSuccess: (message) => [message, undefined] as const,
      onFailure: (error) => [undefined, error] as const
    })
    if (message !== undefined) {
      if (message._tag === "Sync") {
        isSkipping = false
        yield* channel.send(ready)
      } else if (message._tag === "Query") {
        yield* channel.send({ _tag: "CommandComplete", commandTag: "SELECT 1" }, ready)
      }
      continue
    }
    if (error._tag === "TransportError") return
    const answer = Backend.errorResponse(error)
    if (answer === undefined) return
    if (!isSkipping) yield* channel.send(answer)
    if (error.isFramingLost) return
    const isAlone = ["Query", "FunctionCall", "Sync"].includes(error.reason.messageName)
    if (isAlone) yield* channel.send(ready)
    isSkipping = !isAlone
  }
})

const serve = (line: Connection.Connection, verifier: ScramVerifier.ScramVerifier) => {
  const channel = MessageChannel.server(line)
  return Authenticate.server(channel, {
    account: ({ user }) => Effect.succeed(accounts[user]?.(verifier))
  }).pipe(
    Effect.andThen((client) => client._tag === "Client" ? serveSession(channel) : Effect.void),
    Effect.ignore
  )
}

/** Formats a response without the parts that differ between servers and queries. */
const summarize = (message: Backend.Message): string | undefined => {
  switch (message._tag) {
    case "ErrorResponse": {
      const field = (name: ErrorField.Name) => ErrorField.get(message.fields, name)
      const text = field("message")?.replace(/(encoding "UTF8"): .*/, "$1")
      const detail = text?.startsWith("received unencrypted") === true ? field("detail") : ""
      return [field("severity"), field("sqlState"), text, detail].join(" ")
    }
    case "BackendKeyData":
      return `a key of ${message.secretKey.length}`
    case "NegotiateProtocolVersion":
      return `${message._tag} ${message.newestVersion} ${message.unrecognizedOptions.join()}`
    case "ParameterStatus":
    case "RowDescription":
    case "DataRow":
      return undefined
    default:
      return message._tag
  }
}

/** Writes the parts, each after `isEnough` accepts the previous responses, and returns the responses to each. */
const converse = Effect.fnUntraced(function*(
  line: Connection.Connection,
  parts: ReadonlyArray<Uint8Array>,
  isEnough: (heard: ReadonlyArray<string>, part: number) => Effect.Effect<boolean>
) {
  let heard: Array<string> = []
  let requests = 0
  let bytes = Buffer.alloc(0)
  const listen = Effect.forever(Effect.map(line.pull, (chunks) => {
    bytes = Buffer.concat([bytes, ...chunks])
    while (bytes.length > 0) {
      const isAnswer = requests > 0 && bytes[0] === 0x4e
      if (!isAnswer && (bytes.length < 5 || bytes.length < 1 + bytes.readInt32BE(1))) return
      const size = isAnswer ? 1 : 1 + bytes.readInt32BE(1)
      const summary = isAnswer ? "N" : summarize(readMessage(bytes, 0, size))
      if (isAnswer) requests--
      if (summary !== undefined) heard.push(summary)
      bytes = bytes.subarray(size)
    }
  }))
  yield* Effect.forkScoped(Effect.catch(listen, () => Effect.sync(() => heard.push("closed"))))
  const all: Array<ReadonlyArray<string>> = []
  for (const [i, part] of parts.entries()) {
    if (part[4] === 0x04 && part[5] === 0xd2) requests++
    yield* Effect.ignore(line.write(part))
    while (!(yield* isEnough(heard, i))) yield* Effect.sleep(5)
    all.push(heard)
    heard = []
  }
  return all
}, Effect.scoped)

const readMessage = Backend.readerUnsafe()

layer(Server, { excludeTestServices: true })(
  "Responses to protocol violations equal those of PostgreSQL",
  (it) => {
    for (const [name, parts] of Object.entries(conversations)) {
      it.effect(name, () =>
        Effect.gen(function*() {
          const { endpoint } = yield* PostgresServer.PostgresServer
          const pair = yield* InMemory.pair()
          const verifier = yield* ScramVerifier.make(password)
          yield* Effect.forkScoped(Effect.ensuring(serve(pair.server, verifier), pair.server.close))
          const ours = yield* converse(pair.client, parts, (heard) => Effect.as(Effect.sleep(40), heard.length > 0))
          const { connect } = yield* Transport.Transport
          const theirs = yield* converse(
            yield* connect(endpoint),
            parts,
            (heard, i) => Effect.succeed(heard.length >= ours[i]!.length)
          ).pipe(Effect.timeout("20 seconds"))
          assert.deepStrictEqual(ours, theirs)
        }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto)), 30_000)
    }
  }
)
