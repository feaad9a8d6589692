/**
 * What all exchanges share, and those that neither gather a result nor hand one out.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as ValueError from "@hyperfect/values/ValueError"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Failure, Sent } from "../QueryError.ts"
import { type Copies, type Exchange, states, type WriteFrames } from "./exchange.ts"
import { type Nature, natureOf } from "./nature.ts"

/** Makes what reads a result, once its columns are known. Throws a `ValueError.Reason`. */
export type Describe<K> = (fields: ReadonlyArray<RowDescription.FieldDescription>) => K

/** What all exchanges share: the first error counts, and somebody is told of the end once. */
export abstract class Base<A> implements Exchange {
  state: number
  sent: Sent = "nothing"
  /** What it runs, if that is known. */
  text = ""
  frames: WriteFrames | undefined = undefined
  isExposed = false
  abandoned = false
  copies: Copies | undefined = undefined
  /** How far it had come when the first thing went wrong. */
  failedIn: number | undefined
  private failure: Failure | undefined
  private readonly begins: number
  private readonly done: (exit: Exit.Exit<A, Failure>) => void

  constructor(state: number, done: (exit: Exit.Exit<A, Failure>) => void) {
    this.state = state
    this.begins = state
    this.done = done
  }

  abstract onMessage(message: Backend.Message): void
  protected abstract result(): A

  onDataRow(_bytes: Uint8Array, _start: number, _end: number): void {}

  onCopyData(_bytes: Uint8Array, _start: number, _end: number): void {}

  onError(error: Failure): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.failedIn = this.state
  }

  error(): Failure | undefined {
    return this.failure
  }

  onEnd(): void {
    if (!this.abandoned) this.finish()
  }

  protected finish(): void {
    this.done(this.failure === undefined ? Exit.succeed(this.result()) : Exit.fail(this.failure))
  }

  nature(): Nature {
    return natureOf(this.text)
  }

  isComplete(state: number): boolean {
    return state === states.Ending
  }

  get canRestart(): boolean {
    return false
  }

  get isDialogue(): boolean {
    return false
  }

  restart(): void {
    this.state = this.begins
    this.failure = undefined
    this.failedIn = undefined
  }

  backpressure(): Effect.Effect<void> | undefined {
    return undefined
  }

  /** Runs code that may throw the reason of a `ValueError`, which then fails this exchange alone. */
  protected attempt(run: () => void): void {
    try {
      run()
    } catch (thrown) {
      this.onError(ValueError.fromThrown(thrown))
    }
  }
}

/** What a server says of a statement that it has prepared. */
export interface Described {
  readonly parameterTypes: ReadonlyArray<number>
  readonly fields: ReadonlyArray<RowDescription.FieldDescription>
}

/** Parse and Describe of a statement. */
export class Prepare extends Base<Described> {
  private parameterTypes: ReadonlyArray<number> = []
  private fields: ReadonlyArray<RowDescription.FieldDescription> = []

  onMessage(message: Backend.Message): void {
    if (message._tag === "ParameterDescription") this.parameterTypes = message.parameterTypes
    else if (message._tag === "RowDescription") this.fields = message.fields
  }

  /** It changes nothing but what the server knows under the name. */
  override nature(): Nature {
    return "repeatable"
  }

  override get canRestart(): boolean {
    return true
  }

  protected result(): Described {
    return { parameterTypes: this.parameterTypes, fields: this.fields }
  }

  /** The server knows the statement, although nobody may wait for it any more. */
  override onEnd(): void {
    this.finish()
  }
}

/** COPY FROM STDIN: somebody is told when the server is ready for the data. */
export class CopyIn extends Base<string> {
  override copies: Copies | undefined = "in"
  private readonly ready: () => void
  private commandTag = ""

  constructor(state: number, ready: () => void, done: (exit: Exit.Exit<string, Failure>) => void) {
    super(state, done)
    this.ready = ready
  }

  onMessage(message: Backend.Message): void {
    if (message._tag === "CopyInResponse") {
      // There is data for one COPY only.
      this.copies = undefined
      this.ready()
    } else if (message._tag === "CommandComplete") this.commandTag = message.commandTag
  }

  /** What came behind it would be taken for its data, and end the session. */
  override get isDialogue(): boolean {
    return true
  }

  protected result(): string {
    return this.commandTag
  }
}
