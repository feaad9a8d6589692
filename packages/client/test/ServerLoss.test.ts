/** Servers that disconnect or fall silent at every step of every exchange. */
import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type { QueryError, Sent, TransactionRolledBack } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Exit, Fiber, Layer, Redacted, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

const { accept, disconnect, expect, send, stall } = ScriptedServer

/** A step of the server. */
interface Step {
  readonly step: ScriptedServer.Step
  /** True if it completes an answer. */
  readonly isEnd: boolean
}

const expectMessages = (...tags: ReadonlyArray<Frontend.Message["_tag"]>): ReadonlyArray<Step> =>
  tags.map((_tag) => ({ step: expect({ _tag } as ScriptedServer.MessagePattern), isEnd: false }))

/** Sends each message in a separate write, so that the connection can be cut after each. */
const sendMessages = (...messages: ReadonlyArray<Backend.Message>): ReadonlyArray<Step> =>
  messages.map((message) => ({ step: send(message), isEnd: message._tag === "ReadyForQuery" }))

/** The possible values of `sent` of an error after these steps. */
const possibleSent = (steps: ReadonlyArray<Step>, preparing: number): ReadonlyArray<Sent> => {
  const open = steps.slice(steps.findLastIndex(({ isEnd }) => isEnd) + 1)
  // Preparing a statement does not run it.
  if (steps.length < preparing) return ["nothing"]
  // The client may notice the disconnect before it has written, or after.
  return open.length > 0 ? ["unknown"] : ["nothing", "unknown"]
}

const fields = [
  { name: "a", tableOid: 0, columnNumber: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 }
] as const
const rowDescription: Backend.Message = { _tag: "RowDescription", fields }
const row: Backend.Message = { _tag: "DataRow", columns: [new TextEncoder().encode("x")] }
const complete = (commandTag: string): Backend.Message => ({ _tag: "CommandComplete", commandTag })
const ready = (status: "I" | "T" = "I"): Backend.Message => ({ _tag: "ReadyForQuery", status })
const data: Backend.Message = { _tag: "CopyData", data: new TextEncoder().encode("x\n") }
const copyFormats = { format: 0, columnFormats: [0] } as const

const prepare: ReadonlyArray<Step> = [
  ...expectMessages("Parse", "Describe", "Sync"),
  ...sendMessages(
    { _tag: "ParseComplete" },
    { _tag: "ParameterDescription", parameterTypes: [] },
    rowDescription,
    ready()
  )
]

interface Exchange {
  readonly dialect?: "hyper"
  /** The number of steps that prepare the statement. */
  readonly prepareStepCount?: number
  readonly statementCacheSize?: number
  readonly steps: ReadonlyArray<Step>
  readonly run: (session: Session.Session) => Effect.Effect<unknown, QueryError | TransactionRolledBack>
}

const exchanges: Readonly<Record<string, Exchange>> = {
  "a query": {
    prepareStepCount: prepare.length,
    steps: [
      ...prepare,
      ...expectMessages("Bind", "Execute", "Sync"),
      ...sendMessages({ _tag: "BindComplete" }, row, row, complete("SELECT 2"), ready())
    ],
    run: (session) => session.query("select 'x' as a")
  },
  "a query on Hyper": {
    dialect: "hyper",
    steps: [
      ...expectMessages("Parse", "Bind", "Describe", "Execute", "Sync"),
      ...sendMessages(
        { _tag: "ParseComplete" },
        { _tag: "BindComplete" },
        rowDescription,
        row,
        complete("SELECT 1"),
        ready()
      )
    ],
    run: (session) => session.query("select 'x' as a")
  },
  "a simple query": {
    steps: [
      ...expectMessages("Query"),
      ...sendMessages(rowDescription, row, complete("SELECT 1"), complete("BEGIN"), ready())
    ],
    run: (session) => session.simple("select 'x' as a; begin")
  },
  "a stream": {
    prepareStepCount: prepare.length,
    steps: [
      ...prepare,
      ...expectMessages("Bind", "Execute", "Sync"),
      ...sendMessages({ _tag: "BindComplete" }, row, row, complete("SELECT 2"), ready())
    ],
    run: (session) => Stream.runDrain(session.stream("select 'x' as a"))
  },
  "a COPY into a table": {
    steps: [
      ...expectMessages("Query"),
      ...sendMessages({ _tag: "CopyInResponse", ...copyFormats }),
      ...expectMessages("CopyData", "CopyDone"),
      ...sendMessages(complete("COPY 1"), ready())
    ],
    run: (session) => session.copyIn("copy t from stdin", Stream.make(new TextEncoder().encode("x\n")))
  },
  "a COPY from a table": {
    steps: [
      ...expectMessages("Query"),
      ...sendMessages(
        { _tag: "CopyOutResponse", ...copyFormats },
        data,
        data,
        { _tag: "CopyDone" },
        complete("COPY 2"),
        ready()
      )
    ],
    run: (session) => Stream.runDrain(session.copyOut("copy t to stdout"))
  },
  "a stream with a portal": {
    prepareStepCount: prepare.length,
    steps: [
      ...prepare,
      ...expectMessages("Bind", "Execute", "Flush"),
      ...sendMessages({ _tag: "BindComplete" }, row, { _tag: "PortalSuspended" }),
      ...expectMessages("Execute", "Flush"),
      ...sendMessages(row, { _tag: "PortalSuspended" }),
      ...expectMessages("Execute", "Flush"),
      ...sendMessages(complete("SELECT 0")),
      ...expectMessages("Sync"),
      ...sendMessages(ready())
    ],
    run: (session) => Stream.runDrain(session.stream("select 'x' as a", { fetchSize: 1 }))
  },
  "a batch": {
    prepareStepCount: prepare.length,
    steps: [
      ...prepare,
      ...expectMessages("Bind", "Execute", "Bind", "Execute", "Sync"),
      ...sendMessages({ _tag: "BindComplete" }, row, complete("SELECT 1")),
      ...sendMessages({ _tag: "BindComplete" }, row, complete("SELECT 1"), ready())
    ],
    run: (session) => session.batch(["select 'x' as a", "select 'x' as a"])
  },
  "an unnamed statement": {
    steps: [
      ...expectMessages("Parse", "Bind", "Describe", "Execute", "Sync"),
      ...sendMessages(
        { _tag: "ParseComplete" },
        { _tag: "BindComplete" },
        rowDescription,
        row,
        complete("SELECT 1"),
        ready()
      )
    ],
    run: (session) => session.query("select 'x' as a"),
    statementCacheSize: 0
  },
  "a description": {
    steps: [
      ...expectMessages("Parse", "Describe", "Sync"),
      ...sendMessages(
        { _tag: "ParseComplete" },
        { _tag: "ParameterDescription", parameterTypes: [] },
        rowDescription,
        ready()
      )
    ],
    run: (session) => session.describe("select 'x' as a")
  },
  "a function call": {
    steps: [
      ...expectMessages("FunctionCall"),
      ...sendMessages({ _tag: "FunctionCallResponse", value: new TextEncoder().encode("x") }, ready())
    ],
    run: (session) => session.call(1, [], BuiltIn.text)
  },
  "a transaction": {
    steps: [
      ...expectMessages("Query"),
      ...sendMessages(complete("BEGIN"), ready("T")),
      ...expectMessages("Query"),
      ...sendMessages(complete("INSERT 0 1"), ready("T")),
      ...expectMessages("Query"),
      ...sendMessages(complete("COMMIT"), ready())
    ],
    run: (session) => session.transaction(session.simple("insert into t values (1)"))
  }
}

const scriptSteps = (steps: ReadonlyArray<Step>) => steps.map(({ step }) => step)

const layerServer = (dialect: "hyper" | undefined, ...steps: ReadonlyArray<ScriptedServer.Step>) =>
  Layer.merge(
    ScriptedServer.layer(accept({ dialect }), ...steps),
    Authenticate.layerCrypto
  )

const open = (statementCacheSize?: number) =>
  Session.make({ endpoint: Endpoint.tcp("db", 5432), user: "app", statementCacheSize })

describe("Server loss", () => {
  for (const [name, { dialect, prepareStepCount = 0, run, statementCacheSize, steps }] of Object.entries(exchanges)) {
    it.live(`a disconnect at any step of ${name} is distinguished from a response`, () =>
      Effect.gen(function*() {
        for (const cut of steps.keys()) {
          yield* Effect.gen(function*() {
            const session = yield* open(statementCacheSize)
            const where = `behind ${cut} steps`
            const error = yield* Effect.flip(run(session)).pipe(Effect.timeout("20 seconds"))
            assert(error._tag === "TransportError", where)
            assert.include(possibleSent(steps.slice(0, cut), prepareStepCount), error.sent, where)
            assert.isFalse(error.isRetryable, where)
            const later = yield* Effect.flip(session.simple("select 1")).pipe(Effect.timeout("20 seconds"))
            assert(later._tag === "TransportError" && later.sent === "nothing" && !later.isRetryable, where)
            assert.strictEqual(Redacted.value(later.statement), "select 1")
          }).pipe(
            Effect.scoped,
            Effect.provide(layerServer(dialect, ...scriptSteps(steps.slice(0, cut)), disconnect), { local: true })
          )
        }
        yield* Effect.gen(function*() {
          const session = yield* open(statementCacheSize)
          yield* run(session)
          yield* Effect.flip(session.simple("select 1"))
        }).pipe(Effect.scoped, Effect.provide(layerServer(dialect, ...scriptSteps(steps), disconnect), { local: true }))
      }))

    it.effect(`silence at any step of ${name} fails the session in time`, () =>
      Effect.forEach(steps, (_, cut) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const session = yield* Scope.provide(open(statementCacheSize), scope)
          const fiber = yield* Effect.forkChild(Effect.timeoutOption(run(session), "1 second"), {
            startImmediately: true
          })
          yield* TestClock.adjust("1 second")
          yield* TestClock.adjust("5 seconds")
          yield* TestClock.adjust("5 seconds")
          const outcome = fiber.pollUnsafe()
          assert.isDefined(outcome, `behind ${cut} steps of ${name}`)
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
          yield* TestClock.adjust("2 seconds")
          assert.isDefined(closing.pollUnsafe(), `closing behind ${cut} steps of ${name}`)
          yield* Fiber.interrupt(fiber)
        }).pipe(Effect.provide(layerServer(dialect, ...scriptSteps(steps.slice(0, cut)), stall), { local: true }))))
  }
})
