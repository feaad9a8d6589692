/**
 * Channels between chunks of bytes and arrays of messages.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as ByteWriter from "../ByteWriter.ts"
import * as Frame from "../Frame.ts"
import * as ProtocolError from "../ProtocolError.ts"

type Chunk<A> = Arr.NonEmptyReadonlyArray<A>

interface FrameDecoder<A> {
  readonly limits: Frame.Limits
  readonly read: (bytes: Uint8Array, start: number, end: number) => A
  readonly tagged: boolean
}

/** @internal */
export const decodeChannel = <A, IE, Done>(make: () => FrameDecoder<A>): Frame.DecodeChannel<A, IE, Done> =>
  Channel.fromTransform((upstream: Pull.Pull<Chunk<Uint8Array>, IE, Done>, _scope) =>
    Effect.sync(() => {
      const { limits, read, tagged } = make()
      let out: Array<A> = []
      let failed: ProtocolError.ProtocolError | undefined
      const parser = Frame.makeParser(limits, (bytes, start, end) => out.push(read(bytes, start, end)))
      parser.tagged = tagged
      const emit = (chunks: Chunk<Uint8Array>): typeof pull => {
        out = []
        try {
          for (const chunk of chunks) parser.push(chunk)
        } catch (thrown) {
          failed = ProtocolError.fromThrown(thrown)
        }
        return Arr.isReadonlyArrayNonEmpty(out) ? Effect.succeed(out) : pull
      }
      const pull: Pull.Pull<Chunk<A>, ProtocolError.ProtocolError | IE, Done> = Effect.suspend(() =>
        failed !== undefined ? Effect.fail(failed) : Pull.matchEffect(upstream, {
          onSuccess: emit,
          onFailure: Effect.failCause,
          onDone: (done): Pull.Pull<never, ProtocolError.ProtocolError, Done> =>
            parser.pending() === 0 ? Cause.done(done) : Effect.fail(ProtocolError.streamEnded(parser.pending()))
        })
      )
      return pull
    })
  )

/** @internal */
export const encodeChannel = <A, IE, Done>(
  make: () => (out: ByteWriter.ByteWriter, message: A) => void
): Frame.EncodeChannel<A, IE, Done> =>
  Channel.fromTransform((upstream: Pull.Pull<Chunk<A>, IE, Done>, _scope) =>
    Effect.sync(() => {
      const write = make()
      const out = ByteWriter.make()
      let failed: ProtocolError.ProtocolError | undefined
      const emit = (messages: Chunk<A>): Effect.Effect<Chunk<Uint8Array>, ProtocolError.ProtocolError> => {
        try {
          for (const message of messages) write(out, message)
        } catch (thrown) {
          failed = ProtocolError.fromThrown(thrown)
          if (out.size === 0) return Effect.fail(failed)
        }
        return Effect.succeed([out.take()])
      }
      const pull: Pull.Pull<Chunk<Uint8Array>, ProtocolError.ProtocolError | IE, Done> = Effect.suspend(() =>
        failed !== undefined ? Effect.fail(failed) : Effect.flatMap(upstream, emit)
      )
      return pull
    })
  )
