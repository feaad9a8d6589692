import { assert, describe, it } from "@effect/vitest"
import { Backend, Frontend, ProtocolError } from "@hyperfect/protocol"
import { Effect, Exit, Stream } from "effect"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** Returns every array that the stream emitted, and its exit. */
const observed = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function*() {
    const emitted: Array<ReadonlyArray<A>> = []
    const exit = yield* Effect.exit(
      Stream.runForEachArray(stream, (items) => Effect.sync(() => emitted.push([...items])))
    )
    return { emitted, exit }
  })

const failure = <E>(exit: Exit.Exit<unknown, E>): E => {
  if (Exit.isFailure(exit)) {
    for (const reason of exit.cause.reasons) if (reason._tag === "Fail") return reason.error
  }
  throw new Error("the stream did not fail")
}

const decoded = (...chunks: ReadonlyArray<Uint8Array>) =>
  observed(Stream.fromIterable(chunks).pipe(Stream.rechunk(1), Stream.pipeThroughChannel(Backend.decode())))

const tags = (emitted: ReadonlyArray<ReadonlyArray<{ readonly _tag: string }>>) =>
  emitted.map((messages) => messages.map(({ _tag }) => _tag))

describe("Backend.decode and Frontend.decode", () => {
  it.effect("emits the messages of each chunk as one array, and nothing for a chunk that completes none", () =>
    Effect.gen(function*() {
      const { emitted, exit } = yield* decoded(
        bytes("31 00000004 32 00000004 5a"),
        bytes("000000"),
        bytes("05 49"),
        new Uint8Array(0)
      )
      assert.deepStrictEqual(tags(emitted), [["ParseComplete", "BindComplete"], ["ReadyForQuery"]])
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("emits the valid messages of a chunk before it fails at the next", () =>
    Effect.gen(function*() {
      const { emitted, exit } = yield* decoded(bytes("31 00000004 32 00000004 5a 00000005 58 33 00000004"))
      assert.deepStrictEqual(tags(emitted), [["ParseComplete", "BindComplete"]])
      const error = failure(exit)
      assert.instanceOf(error, ProtocolError.ProtocolError)
      assert.deepInclude(error.reason, {
        _tag: "ValueInvalid",
        messageName: "ReadyForQuery",
        field: "status",
        offset: 5
      })
      assert.strictEqual(error.message, "ReadyForQuery.status at byte 5: ValueInvalid: wanted I, T, E, found \"X\"")
    }))

  it.effect("fails immediately for a chunk that starts with an invalid message", () =>
    Effect.gen(function*() {
      const { emitted, exit } = yield* decoded(bytes("3f 00000004"))
      assert.deepStrictEqual(emitted, [])
      assert.strictEqual(failure(exit).reason._tag, "TagUnknown")
    }))

  for (const [where, cut] of [["its header", 2], ["its body", 7]] as const) {
    it.effect(`fails if the stream ends inside a frame: in ${where}`, () =>
      Effect.gen(function*() {
        const { emitted, exit } = yield* decoded(
          bytes("31 00000004"),
          bytes("43 0000000d 53454c4543542031 00").slice(0, cut)
        )
        assert.deepStrictEqual(tags(emitted), [["ParseComplete"]])
        assert.deepInclude(failure(exit).reason, { _tag: "StreamEnded", messageName: "Frame", offset: cut })
      }))
  }

  it.effect("ends when its input ends, also if the input is empty", () =>
    Effect.gen(function*() {
      const { emitted, exit } = yield* decoded()
      assert.deepStrictEqual(emitted, [])
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("passes on a failure of its input", () =>
    Effect.gen(function*() {
      const broken = Stream.concat(Stream.make(bytes("31 00000004 5a")), Stream.fail("the line went dead" as const))
      const { emitted, exit } = yield* observed(
        Stream.pipeThroughChannel(broken, Backend.decode<"the line went dead">())
      )
      assert.deepStrictEqual(tags(emitted), [["ParseComplete"]])
      assert.strictEqual(failure(exit), "the line went dead")
    }))

  it.effect("keeps no state between streams", () =>
    Effect.gen(function*() {
      const channel = Backend.decode()
      const half = Stream.make(bytes("31 0000")).pipe(Stream.pipeThroughChannel(channel))
      assert.strictEqual(failure((yield* observed(half)).exit).reason._tag, "StreamEnded")
      const whole = Stream.make(bytes("31 00000004")).pipe(Stream.pipeThroughChannel(channel))
      assert.deepStrictEqual(tags((yield* observed(whole)).emitted), [["ParseComplete"]])
    }))

  it.effect("decodes a client's bytes in the given phase", () =>
    Effect.gen(function*() {
      const read = (phase: Frontend.Phase, chunk: Uint8Array) =>
        observed(Stream.make(chunk).pipe(Stream.pipeThroughChannel(Frontend.decode(phase))))
      const answer = bytes("70 00000008 61626300")
      const startup = bytes("00000008 04d2162f 00000009 00030000 00")
      assert.deepStrictEqual(tags((yield* read("password", answer)).emitted), [["PasswordMessage"]])
      assert.deepStrictEqual(tags((yield* read("sasl", answer)).emitted), [["SASLResponse"]])
      assert.deepStrictEqual(tags((yield* read("gss", answer)).emitted), [["GSSResponse"]])
      assert.deepStrictEqual(tags((yield* read("startup", startup)).emitted), [["SSLRequest", "StartupMessage"]])
      assert.strictEqual(failure((yield* read("sasl-initial", answer)).exit).reason._tag, "Truncated")
      assert.strictEqual(failure((yield* read("password", startup)).exit).reason._tag, "TagUnknown")
    }))
})

describe("Backend.encode and Frontend.encode", () => {
  const { BindComplete, CommandComplete, ParseComplete } = Backend

  const encoded = (...arrays: ReadonlyArray<ReadonlyArray<Backend.Message>>) =>
    observed(
      Stream.fromIterable(arrays).pipe(
        Stream.rechunk(1),
        Stream.flatMap((messages) => Stream.fromIterable(messages)),
        Stream.pipeThroughChannel(Backend.encode())
      )
    )

  const hex = (emitted: ReadonlyArray<ReadonlyArray<Uint8Array>>) =>
    emitted.map((chunks) => chunks.map((chunk) => Buffer.from(chunk).toString("hex")))

  it.effect("emits one chunk for each array", () =>
    Effect.gen(function*() {
      const { emitted, exit } = yield* encoded([ParseComplete.make({}), BindComplete.make({})], [
        ParseComplete.make({})
      ])
      assert.deepStrictEqual(hex(emitted), [["31000000043200000004"], ["3100000004"]])
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("emits the valid messages of an array before it fails at an invalid one", () =>
    Effect.gen(function*() {
      const bad = { _tag: "CommandComplete", commandTag: "SELECT\0 1" } as const
      const { emitted, exit } = yield* encoded([ParseComplete.make({}), bad, BindComplete.make({})])
      assert.deepStrictEqual(hex(emitted), [["3100000004"]])
      assert.deepInclude(failure(exit).reason, {
        _tag: "ValueInvalid",
        messageName: "CommandComplete",
        field: "commandTag"
      })
      assert.deepStrictEqual((yield* encoded([bad])).emitted, [])
    }))

  it.effect("does not modify earlier chunks while writing later ones", () =>
    Effect.gen(function*() {
      const arrays = Array.from({ length: 3000 }, (_, i) => [CommandComplete.make({ commandTag: `SELECT ${i}` })])
      const { emitted } = yield* encoded(...arrays)
      const again = yield* decoded(...emitted.flat())
      assert.deepStrictEqual(again.emitted.flat(), arrays.flat())
    }))
})
