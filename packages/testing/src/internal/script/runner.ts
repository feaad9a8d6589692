/**
 * Executes a script on one connection.
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
import { ScriptError } from "../../ScriptError.ts"
import { parameterStatus } from "./parameterStatus.ts"
import { type Answer, isQueryMessage, QueryResponder } from "./queryResponder.ts"
import { describeStep, diff, diffQuery, formatMessage as lineOf, matches } from "./report.ts"
import { type AcceptOptions, complete, error, type On, type ReplyEnd, type Step } from "./steps.ts"

/** The ways in which a conversation ends before its script does. */
type EndReason =
  /** A message other than the one that was due was received. */
  | { readonly _tag: "Unexpected"; readonly lines: ReadonlyArray<string> }
  /** The client disconnected. */
  | { readonly _tag: "Left" }
  /** The server disconnects, as scripted. */
  | { readonly _tag: "HungUp" }
  /** The client was rejected. */
  | { readonly _tag: "Refused"; readonly text: string }
  /** The client connected only to cancel a query. */
  | { readonly _tag: "Cancel"; readonly request: Frontend.CancelRequest }

const clientLeft: EndReason = { _tag: "Left" }
const hungUp: EndReason = { _tag: "HungUp" }

const unexpected = (lines: ReadonlyArray<string>) => Effect.fail<EndReason>({ _tag: "Unexpected", lines })

/** True for steps that require an action of the client. The others do not matter once it is gone. */
const isClientStep = (step: Step): boolean => step._tag === "Accept" || step._tag === "Expect" || step._tag === "On"

const historyLength = 5

export class ScriptRunner {
  readonly number: number
  readonly script: ReadonlyArray<Step>
  /** Every message received after the login, in order. */
  readonly received: Array<Frontend.Message> = []
  /** Open while nothing can happen unless the client acts. */
  readonly idle = Latch.makeUnsafe(false)
  isIdle = false
  startup: Startup | undefined
  /** The step that is due, counted from 0. */
  step = 0
  error: ScriptError | undefined
  /** A thrown defect, for example for a value that does not fit its type. */
  defect: { readonly defect: unknown } | undefined
  private readonly connection: Accepted
  private readonly channel: MessageChannel.Server
  private responder = new QueryResponder("postgres")
  private key: Backend.BackendKeyData | undefined
  private endNote = ""
  private pushedBack: Frontend.Message | undefined
  private cancelSignal: Deferred.Deferred<void> | undefined

  constructor(number: number, script: ReadonlyArray<Step>, line: Accepted) {
    this.number = number
    this.script = script
    this.connection = line
    this.channel = MessageChannel.server({
      ...line,
      pull: this.whileIdle(line.pull),
      write: (bytes) => this.whileIdle(line.write(bytes))
    })
  }

  /** Executes the script, up to the end of the connection. Succeeds with the request of a client that only cancels. */
  readonly run: Effect.Effect<"session" | Frontend.CancelRequest, never, Authenticate.Services> = Effect.suspend(() =>
    Effect.gen({ self: this }, function*() {
      for (const [i, step] of this.script.entries()) {
        this.step = i
        yield* this.runStep(step)
      }
      this.step = this.script.length
      return yield* unexpected(["- nothing more", ...diff({ _tag: "" }, yield* this.next()).slice(1)])
    }).pipe(
      Effect.catch((ended) =>
        Effect.sync(() => {
          if (ended._tag === "Cancel") return ended.request
          // A step may end in either way.
          if (ended._tag === "HungUp" || ended._tag === "Refused") this.step++
          if (ended._tag === "Refused") this.endNote = `; the client was refused: ${ended.text}`
          if (ended._tag === "Left") this.endNote = "; the client has left"
          if (ended._tag === "Unexpected") this.error = this.makeError("unexpected", ended.lines)
          return "session" as const
        })
      ),
      Effect.tapDefect((defect) => Effect.sync(() => this.defect = { defect })),
      Effect.ensuring(this.markIdle)
    )
  )

  /** Returns the current problem of the conversation, if any. */
  problem(): ScriptError | undefined {
    if (this.error !== undefined) return this.error
    const missing = this.script.slice(this.step).filter(isClientStep)
    return missing.length === 0
      ? undefined
      : this.makeError("unfinished", missing.map((step) => `- ${describeStep(step)}`))
  }

  /** Cancels the session's query, if the key is the session's and a query waits for that. */
  handleCancelRequest(request: Frontend.CancelRequest): Effect.Effect<void> {
    const { cancelSignal, key } = this
    return cancelSignal !== undefined && key?.processId === request.processId &&
        key.secretKey.length === request.secretKey.length &&
        key.secretKey.every((byte, i) => byte === request.secretKey[i])
      ? Effect.asVoid(Deferred.succeed(cancelSignal, undefined))
      : Effect.void
  }

  private readonly markIdle = Effect.sync(() => {
    this.isIdle = true
    this.idle.openUnsafe()
  })

  /** Marks the session idle while an effect runs that only the client can complete. */
  private whileIdle<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.andThen(this.markIdle, effect).pipe(Effect.ensuring(Effect.sync(() => {
      this.isIdle = false
      this.idle.closeUnsafe()
    })))
  }

  private makeError(problem: ScriptError["problem"], lines: ReadonlyArray<string>): ScriptError {
    const { number, received, script, step } = this
    const due = script[step]
    const where = due === undefined
      ? `behind the last of ${script.length} steps`
      : `at step ${step + 1} of ${script.length} (${describeStep(due)})`
    const what = problem === "unexpected" ? "something else came" : `it is not over${this.endNote}`
    // The last message is the one that was compared.
    const before = (problem === "unexpected" ? received.slice(0, -1) : received).slice(-historyLength).map(lineOf)
    const report = [
      `connection ${number}, ${where}: ${what}`,
      ...lines,
      ...(before.length === 0 ? [] : ["received before:", ...before.map((line) => `  ${line}`)])
    ].join("\n")
    return new ScriptError({ problem, connection: number, step: step + 1, report })
  }

  private runStep(step: Step): Effect.Effect<void, EndReason, Authenticate.Services> {
    switch (step._tag) {
      case "Accept":
        return this.accept(step.options)
      case "Expect":
        return Effect.flatMap(
          this.next(),
          (message) => matches(step.pattern, message) ? Effect.void : unexpected(diff(step.pattern, message))
        )
      case "Send":
        return this.send(step.messages)
      case "SendBytes":
        return this.mapErrors(this.connection.write(step.bytes))
      case "On":
        return Effect.asVoid(this.query([step], false))
      case "Repeat":
        return this.repeat(step.rules)
      case "Disconnect":
        return Effect.fail(hungUp)
      case "Stall":
        return this.stall
    }
  }

  private readonly stall: Effect.Effect<never> = Effect.suspend(() => {
    this.step++
    return Effect.andThen(this.markIdle, Effect.never)
  })

  private mapErrors<A>(
    effect: Effect.Effect<A, ProtocolError.ProtocolError | TransportError.TransportError>
  ): Effect.Effect<A, EndReason> {
    return Effect.catch(effect, (error) =>
      error._tag === "TransportError"
        ? Effect.fail(clientLeft)
        : unexpected([`+ bytes that are not the protocol: ${error.message}`]))
  }

  /** Receives the next message. A client that sends Terminate counts as gone. */
  private next(): Effect.Effect<Frontend.Message, EndReason> {
    return Effect.suspend(() => {
      if (this.pushedBack !== undefined) {
        const message = this.pushedBack
        this.pushedBack = undefined
        return Effect.succeed(message)
      }
      return Effect.flatMap(
        this.mapErrors(this.channel.receive),
        (message): Effect.Effect<Frontend.Message, EndReason> => {
          const isFirst = this.received.length === 0 && this.startup === undefined
          this.received.push(message)
          const due = this.script[this.step]
          const isDue = due?._tag === "Expect" && due.pattern._tag === message._tag
          if (message._tag === "CancelRequest" && isFirst && !isDue) {
            return Effect.fail({ _tag: "Cancel", request: message })
          }
          return message._tag === "Terminate" && !isDue ? Effect.fail(clientLeft) : Effect.succeed(message)
        }
      )
    })
  }

  private send(messages: ReadonlyArray<Backend.Message>): Effect.Effect<void, EndReason> {
    return messages.length === 0 ? Effect.void : this.mapErrors(this.channel.send(...messages))
  }

  private accept(options: AcceptOptions): Effect.Effect<void, EndReason, Authenticate.Services> {
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
        parameters: (startup) => ({ ...parameterStatus(dialect, startup), ...parameters }),
        key: options.key,
        maxProtocolVersion: options.maxProtocolVersion,
        dialect,
        acceptTls: tls === undefined ? undefined : this.connection.acceptTls(tls)
      })
    }).pipe(
      Effect.catch((error): Effect.Effect<never, EndReason> =>
        error._tag === "AuthError"
          ? Effect.fail({ _tag: "Refused", text: error.message })
          : this.mapErrors(Effect.fail(error))
      ),
      Effect.flatMap((client): Effect.Effect<void, EndReason> => {
        if (client._tag === "CancelRequest") return Effect.fail({ _tag: "Cancel", request: client })
        this.key = client.key
        this.responder = new QueryResponder(dialect)
        return Effect.void
      })
    )
  }

  private repeat(rules: ReadonlyArray<On>): Effect.Effect<void, EndReason> {
    return Effect.flatMap(this.query(rules, true), (found) => found ? this.repeat(rules) : Effect.void)
  }

  /**
   * Responds to one query by the first rule that matches it, up to its Sync or the beginning of the next query.
   *
   * Returns true if there was a query. If `optional`, a message that no rule matches is left to the next step.
   */
  private query(rules: ReadonlyArray<On>, optional: boolean): Effect.Effect<boolean, EndReason> {
    return Effect.gen({ self: this }, function*() {
      let found = false
      let executed = false
      while (true) {
        const message = yield* this.next()
        const general = this.responder.answerControl(message)
        if (general !== undefined) {
          yield* this.send(general.messages)
          if (general.outcome === "done" && executed) return true
          continue
        }
        const text = isQueryMessage(message) ? this.responder.queryText(message) : undefined
        if (executed && isQueryMessage(message)) {
          this.pushedBack = message
          return true
        }
        const rule = text === undefined
          ? undefined
          : rules.find(({ query }) => typeof query === "string" ? query === text : text.search(query) >= 0)
        if (!isQueryMessage(message) || rule === undefined) {
          if (found || !optional) return yield* unexpected(diffQuery(rules, message, text))
          this.pushedBack = message
          return false
        }
        found = true
        let answer = this.responder.answer(message, rule.reply)
        while (answer.outcome === "cancellable" || answer.outcome === "copying") {
          yield* this.send(answer.messages)
          const end = answer.outcome === "copying" ? yield* this.copyIn(rule.reply.end) : yield* this.awaitCancel
          answer = this.responder.complete(message, end)
        }
        yield* this.finish(answer)
        executed ||= answer.outcome === "done"
        if (executed && message._tag === "Query") return true
      }
    })
  }

  private finish({ messages, outcome }: Answer): Effect.Effect<void, EndReason> {
    return Effect.andThen(
      this.send(messages),
      outcome === "hangup" ? Effect.fail(hungUp) : outcome === "silence" ? this.stall : Effect.void
    )
  }

  /** Waits until the session's query is cancelled. */
  private readonly awaitCancel: Effect.Effect<ReplyEnd> = Effect.suspend(() => {
    const cancel = Deferred.makeUnsafe<void>()
    this.cancelSignal = cancel
    return this.whileIdle(Deferred.await(cancel)).pipe(
      Effect.ensuring(Effect.sync(() => this.cancelSignal = undefined)),
      Effect.as(error({ code: "57014", message: "canceling statement due to user request" }))
    )
  })

  /** Receives the data of a COPY. */
  private copyIn(end: ReplyEnd): Effect.Effect<ReplyEnd, EndReason> {
    return Effect.flatMap(this.next(), (message) => {
      switch (message._tag) {
        // A client that pipelines sends these before it knows that it must copy; servers ignore them.
        case "Flush":
        case "Sync":
        case "CopyData":
          return this.copyIn(end)
        case "CopyDone":
          return Effect.succeed(complete(end._tag === "CopyIn" ? end.commandTag : ""))
        case "CopyFail":
          return Effect.succeed(error({ code: "57014", message: `COPY from stdin failed: ${message.message}` }))
        default:
          return unexpected(["- CopyData, CopyDone or CopyFail", ...diff({ _tag: "" }, message).slice(1)])
      }
    })
  }
}
