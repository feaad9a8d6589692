/** Servers that go away, or fall silent, at every step of every exchange. */
import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type { QueryError, TransactionRolledBack } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

const { accept, disconnect, expect, send, stall } = ScriptedServer

type Step = ScriptedServer.Step

const asked = (...tags: ReadonlyArray<Frontend.Message["_tag"]>): ReadonlyArray<Step> =>
  tags.map((_tag) => expect({ _tag } as ScriptedServer.MessagePattern))

/** Each message in a write of its own, so that the line can be cut behind each. */
const said = (...messages: ReadonlyArray<Backend.Message>): ReadonlyArray<Step> =>
  messages.map((message) => send(message))

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
  ...asked("Parse", "Describe", "Sync"),
  ...said({ _tag: "ParseComplete" }, { _tag: "ParameterDescription", parameterTypes: [] }, rowDescription, ready())
]

interface Exchange {
  readonly dialect?: "hyper"
  readonly steps: ReadonlyArray<Step>
  readonly run: (session: Session.Session) => Effect.Effect<unknown, QueryError | TransactionRolledBack>
}

const exchanges: Readonly<Record<string, Exchange>> = {
  "a query": {
    steps: [
      ...prepare,
      ...asked("Bind", "Execute", "Sync"),
      ...said({ _tag: "BindComplete" }, row, row, complete("SELECT 2"), ready())
    ],
    run: (session) => session.query("select 'x' as a")
  },
  "a query of Hyper": {
    dialect: "hyper",
    steps: [
      ...asked("Parse", "Bind", "Describe", "Execute", "Sync"),
      ...said({ _tag: "ParseComplete" }, { _tag: "BindComplete" }, rowDescription, row, complete("SELECT 1"), ready())
    ],
    run: (session) => session.query("select 'x' as a")
  },
  "a simple query": {
    steps: [
      ...asked("Query"),
      ...said(rowDescription, row, complete("SELECT 1"), { _tag: "EmptyQueryResponse" }, ready())
    ],
    run: (session) => session.simple("select 'x' as a;;")
  },
  "a stream": {
    steps: [
      ...prepare,
      ...asked("Bind", "Execute", "Sync"),
      ...said({ _tag: "BindComplete" }, row, row, complete("SELECT 2"), ready())
    ],
    run: (session) => Stream.runDrain(session.stream("select 'x' as a"))
  },
  "a COPY into a table": {
    steps: [
      ...asked("Query"),
      ...said({ _tag: "CopyInResponse", ...copyFormats }),
      ...asked("CopyData", "CopyDone"),
      ...said(complete("COPY 1"), ready())
    ],
    run: (session) => session.copyIn("copy t from stdin", Stream.make(new TextEncoder().encode("x\n")))
  },
  "a COPY out of a table": {
    steps: [
      ...asked("Query"),
      ...said(
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
  "a transaction": {
    steps: [
      ...asked("Query"),
      ...said(complete("BEGIN"), ready("T")),
      ...asked("Query"),
      ...said(complete("INSERT 0 1"), ready("T")),
      ...asked("Query"),
      ...said(complete("COMMIT"), ready())
    ],
    run: (session) => session.transaction(session.simple("insert into t values (1)"))
  }
}

const over = (dialect: "hyper" | undefined, ...steps: ReadonlyArray<Step>) =>
  Layer.merge(
    ScriptedServer.layer(accept({ dialect }), ...steps),
    Authenticate.layerCrypto
  )

const open = Session.make({ endpoint: Endpoint.tcp("db", 5432), user: "app" })

describe("a server that goes away", () => {
  for (const [name, { dialect, run, steps }] of Object.entries(exchanges)) {
    it.live(`at any step of ${name} is told from one that answers`, () =>
      Effect.gen(function*() {
        for (const cut of steps.keys()) {
          yield* Effect.gen(function*() {
            const session = yield* open
            for (const effect of [run(session), session.simple("select 1")]) {
              const error = yield* Effect.flip(effect).pipe(Effect.timeout("2 seconds"))
              assert.isTrue(error._tag === "TransportError" && error.isRetryable, `behind ${cut} steps`)
            }
          }).pipe(Effect.scoped, Effect.provide(over(dialect, ...steps.slice(0, cut), disconnect), { local: true }))
        }
        yield* Effect.gen(function*() {
          const session = yield* open
          yield* run(session)
          yield* Effect.flip(session.simple("select 1"))
        }).pipe(Effect.scoped, Effect.provide(over(dialect, ...steps, disconnect), { local: true }))
      }))

    it.effect(`and one that falls silent at any step of ${name} is given up in time`, () =>
      Effect.forEach(steps, (_, cut) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const session = yield* Scope.provide(open, scope)
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
        }).pipe(Effect.provide(over(dialect, ...steps.slice(0, cut), stall), { local: true }))))
  }
})
