/**
 * Acts out a script on one connection.
 */
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as ScramVerifier from "@hyperfect/auth/ScramVerifier"
import type { Startup } from "@hyperfect/auth/Startup"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import type * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type { Accepted } from "@hyperfect/transport/Listener"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { ScriptError } from "../ScriptError.ts"
import { type Answer, isAboutQuery, Queries } from "./queries.ts"
import { type Accept, complete, type Ending, error, type On, type Step } from "./script.ts"
import { compare, compareQuery, describe, line as lineOf, matches } from "./scriptReport.ts"
import { settingsOf } from "./settings.ts"

/** How a conversation ends before its script does. */
type Ended =
  /** What came is not what was due. */
  | { readonly _tag: "Unexpected"; readonly lines: ReadonlyArray<string> }
  /** The client is gone. */
  | { readonly _tag: "Left" }
  /** We hang up, as the script wants it. */
  | { readonly _tag: "HungUp" }
  /** The client was not let in. */
  | { readonly _tag: "Refused"; readonly text: string }
  /** The client came only to cancel. */
  | { readonly _tag: "Cancel"; readonly request: Frontend.CancelRequest }

const left: Ended = { _tag: "Left" }
const hungUp: Ended = { _tag: "HungUp" }

const unexpected = (lines: ReadonlyArray<string>) => Effect.fail<Ended>({ _tag: "Unexpected", lines })

/** What the protocol takes the next `p` for, when a script asks for a password by hand. */
const phases: Readonly<Record<string, Frontend.Phase>> = {
  AuthenticationCleartextPassword: "password",
  AuthenticationMD5Password: "password",
  AuthenticationSASL: "sasl-initial",
  AuthenticationSASLContinue: "sasl",
  AuthenticationGSS: "gss",
  AuthenticationGSSContinue: "gss"
}

/** Steps that want something of the client. The others do not matter once it is gone. */
const isRequired = (step: Step): boolean => step._tag === "Accept" || step._tag === "Expect" || step._tag === "On"

const historyLength = 5

export class Conversation {
  readonly number: number
  readonly script: ReadonlyArray<Step>
  /** Every message behind the log-in, in order. */
  readonly received: Array<Frontend.Message> = []
  /** Whether nothing will happen unless the client does something. */
  readonly calm = Latch.makeUnsafe(false)
  isCalm = false
  startup: Startup | undefined
  /** The step that is due, counted from 0. */
  step = 0
  error: ScriptError | undefined
  /** What was thrown, for example at a value that its type does not have. */
  defect: { readonly defect: unknown } | undefined
  private readonly line: Accepted
  private readonly channel: MessageChannel.Server
  private queries = new Queries("postgres")
  private key: Backend.BackendKeyData | undefined
  private note = ""
  private held: Frontend.Message | undefined
  private cancel: Deferred.Deferred<void> | undefined

  constructor(number: number, script: ReadonlyArray<Step>, line: Accepted) {
    this.number = number
    this.script = script
    this.line = line
    this.channel = MessageChannel.server({
      ...line,
      pull: this.waiting(line.pull),
      write: (bytes) => this.waiting(line.write(bytes))
    })
  }

  /** Acts out the script, up to the end of the connection. Succeeds with what the client came for. */
  readonly play: Effect.Effect<"session" | Frontend.CancelRequest, never, Authenticate.Services> = Effect.suspend(() =>
    Effect.gen({ self: this }, function*() {
      for (const [i, step] of this.script.entries()) {
        this.step = i
        yield* this.act(step)
      }
      this.step = this.script.length
      return yield* unexpected(["- nothing more", ...compare({ _tag: "" }, yield* this.next()).slice(1)])
    }).pipe(
      Effect.catch((ended) =>
        Effect.sync(() => {
          if (ended._tag === "Cancel") return ended.request
          // Both are how a step may end.
          if (ended._tag === "HungUp" || ended._tag === "Refused") this.step++
          if (ended._tag === "Refused") this.note = `; the client was refused: ${ended.text}`
          if (ended._tag === "Left") this.note = "; the client has left"
          if (ended._tag === "Unexpected") this.error = this.makeError("unexpected", ended.lines)
          return "session" as const
        })
      ),
      Effect.tapDefect((defect) => Effect.sync(() => this.defect = { defect })),
      Effect.ensuring(this.settled)
    )
  )

  /** What is wrong with the conversation as it stands. */
  problem(): ScriptError | undefined {
    if (this.error !== undefined) return this.error
    const missing = this.script.slice(this.step).filter(isRequired)
    return missing.length === 0
      ? undefined
      : this.makeError("unfinished", missing.map((step) => `- ${describe(step)}`))
  }

  /** Cancels what the session is doing, if the key is the session's and it waits for that. */
  cancelBy(request: Frontend.CancelRequest): Effect.Effect<void> {
    const { cancel, key } = this
    return cancel !== undefined && key?.processId === request.processId &&
        key.secretKey.length === request.secretKey.length &&
        key.secretKey.every((byte, i) => byte === request.secretKey[i])
      ? Effect.asVoid(Deferred.succeed(cancel, undefined))
      : Effect.void
  }

  private readonly settled = Effect.sync(() => {
    this.isCalm = true
    this.calm.openUnsafe()
  })

  /** An effect that only the client can bring to its end. */
  private waiting<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.andThen(this.settled, effect).pipe(Effect.ensuring(Effect.sync(() => {
      this.isCalm = false
      this.calm.closeUnsafe()
    })))
  }

  private makeError(problem: ScriptError["problem"], lines: ReadonlyArray<string>): ScriptError {
    const { number, received, script, step } = this
    const due = script[step]
    const where = due === undefined
      ? `behind the last of ${script.length} steps`
      : `at step ${step + 1} of ${script.length} (${describe(due)})`
    const what = problem === "unexpected" ? "something else came" : `it is not over${this.note}`
    // The last message is the one that was compared.
    const before = (problem === "unexpected" ? received.slice(0, -1) : received).slice(-historyLength).map(lineOf)
    const report = [
      `connection ${number}, ${where}: ${what}`,
      ...lines,
      ...(before.length === 0 ? [] : ["received before:", ...before.map((line) => `  ${line}`)])
    ].join("\n")
    return new ScriptError({ problem, connection: number, step: step + 1, report })
  }

  private act(step: Step): Effect.Effect<void, Ended, Authenticate.Services> {
    switch (step._tag) {
      case "Accept":
        return this.accept(step)
      case "Expect":
        return Effect.flatMap(
          this.next(),
          (message) => matches(step.pattern, message) ? Effect.void : unexpected(compare(step.pattern, message))
        )
      case "Send":
        return this.send(step.messages)
      case "SendBytes":
        return this.over(this.line.write(step.bytes))
      case "On":
        return Effect.asVoid(this.query([step], false))
      case "Repeat":
        return this.repeat(step.rules)
      case "Disconnect":
        return Effect.fail(hungUp)
      case "Stall":
        return this.silence
    }
  }

  private readonly silence: Effect.Effect<never> = Effect.suspend(() => {
    this.step++
    return Effect.andThen(this.settled, Effect.never)
  })

  private over<A>(
    effect: Effect.Effect<A, ProtocolError.ProtocolError | TransportError.TransportError>
  ): Effect.Effect<A, Ended> {
    return Effect.catch(effect, (error) =>
      error._tag === "TransportError"
        ? Effect.fail(left)
        : unexpected([`+ bytes that are not the protocol: ${error.message}`]))
  }

  /** The next message. A client that says good-bye is gone. */
  private next(): Effect.Effect<Frontend.Message, Ended> {
    return Effect.suspend(() => {
      if (this.held !== undefined) {
        const message = this.held
        this.held = undefined
        return Effect.succeed(message)
      }
      return Effect.flatMap(this.over(this.channel.receive), (message): Effect.Effect<Frontend.Message, Ended> => {
        const isFirst = this.received.length === 0 && this.startup === undefined
        this.received.push(message)
        const due = this.script[this.step]
        const isDue = due?._tag === "Expect" && due.pattern._tag === message._tag
        if (message._tag === "CancelRequest" && isFirst && !isDue) {
          return Effect.fail({ _tag: "Cancel", request: message })
        }
        return message._tag === "Terminate" && !isDue ? Effect.fail(left) : Effect.succeed(message)
      })
    })
  }

  private send(messages: ReadonlyArray<Backend.Message>): Effect.Effect<void, Ended> {
    return Effect.suspend(() => {
      for (const { _tag } of messages) this.channel.phase = phases[_tag] ?? this.channel.phase
      return messages.length === 0 ? Effect.void : this.over(this.channel.send(...messages))
    })
  }

  private accept({ options }: Accept): Effect.Effect<void, Ended, Authenticate.Services> {
    const { dialect = "postgres", method = "scram-sha-256", parameters, password, tls, user } = options
    return Effect.gen({ self: this }, function*() {
      const account = password === undefined
        ? Account.trust
        : method === "scram-sha-256"
        ? Account.scramSha256(yield* ScramVerifier.make(password))
        : Account.password(password, method)
      return yield* Authenticate.server(this.channel, {
        account: (startup) => {
          this.startup = startup
          return Effect.succeed(user === undefined || user === startup.user ? account : undefined)
        },
        parameters: (startup) => ({ ...settingsOf(dialect, startup), ...parameters }),
        key: options.key,
        maxProtocolVersion: options.maxProtocolVersion,
        dialect,
        acceptTls: tls === undefined ? undefined : this.line.acceptTls(tls)
      })
    }).pipe(
      Effect.catch((error): Effect.Effect<never, Ended> =>
        error._tag === "AuthError"
          ? Effect.fail({ _tag: "Refused", text: error.message })
          : this.over(Effect.fail(error))
      ),
      Effect.flatMap((client): Effect.Effect<void, Ended> => {
        if (client._tag === "CancelRequest") return Effect.fail({ _tag: "Cancel", request: client })
        this.key = client.key
        this.queries = new Queries(dialect)
        return Effect.void
      })
    )
  }

  private repeat(rules: ReadonlyArray<On>): Effect.Effect<void, Ended> {
    return Effect.flatMap(this.query(rules, true), (found) => found ? this.repeat(rules) : Effect.void)
  }

  /**
   * Answers one query by the first rule that fits it, up to its Sync or the beginning of the next query.
   *
   * Returns whether there was one. A message that no rule is for is left to the next step when `optional`.
   */
  private query(rules: ReadonlyArray<On>, optional: boolean): Effect.Effect<boolean, Ended> {
    return Effect.gen({ self: this }, function*() {
      let found = false
      let executed = false
      while (true) {
        const message = yield* this.next()
        const general = this.queries.keepGoing(message)
        if (general !== undefined) {
          yield* this.send(general.messages)
          if (general.outcome === "done" && executed) return true
          continue
        }
        const text = isAboutQuery(message) ? this.queries.textOf(message) : undefined
        if (executed && isAboutQuery(message)) {
          this.held = message
          return true
        }
        const rule = text === undefined
          ? undefined
          : rules.find(({ query }) => typeof query === "string" ? query === text : text.search(query) >= 0)
        if (!isAboutQuery(message) || rule === undefined) {
          if (found || !optional) return yield* unexpected(compareQuery(rules, message, text))
          this.held = message
          return false
        }
        found = true
        let answer = this.queries.answer(message, rule.reply)
        while (answer.outcome === "cancellable" || answer.outcome === "copying") {
          yield* this.send(answer.messages)
          const end = answer.outcome === "copying" ? yield* this.copyIn(rule.reply.end) : yield* this.cancelled
          answer = this.queries.conclude(message, end)
        }
        yield* this.finish(answer)
        executed ||= answer.outcome === "done"
        if (executed && message._tag === "Query") return true
      }
    })
  }

  private finish({ messages, outcome }: Answer): Effect.Effect<void, Ended> {
    return Effect.andThen(
      this.send(messages),
      outcome === "hangup" ? Effect.fail(hungUp) : outcome === "silence" ? this.silence : Effect.void
    )
  }

  /** Waits until the session's query is cancelled. */
  private readonly cancelled: Effect.Effect<Ending> = Effect.suspend(() => {
    const cancel = Deferred.makeUnsafe<void>()
    this.cancel = cancel
    return this.waiting(Deferred.await(cancel)).pipe(
      Effect.ensuring(Effect.sync(() => this.cancel = undefined)),
      Effect.as(error({ code: "57014", message: "canceling statement due to user request" }))
    )
  })

  /** Takes the data of a COPY. */
  private copyIn(end: Ending): Effect.Effect<Ending, Ended> {
    return Effect.flatMap(this.next(), (message) => {
      switch (message._tag) {
        // A client that pipelines sends these before it knows that it is to copy; servers pass over them.
        case "Flush":
        case "Sync":
        case "CopyData":
          return this.copyIn(end)
        case "CopyDone":
          return Effect.succeed(complete(end._tag === "CopyIn" ? end.commandTag : ""))
        case "CopyFail":
          return Effect.succeed(error({ code: "57014", message: `COPY from stdin failed: ${message.message}` }))
        default:
          return unexpected(["- CopyData, CopyDone or CopyFail", ...compare({ _tag: "" }, message).slice(1)])
      }
    })
  }
}
