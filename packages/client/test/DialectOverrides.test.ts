/** Capabilities that a configuration overrides, one at a time, on a server that otherwise is PostgreSQL. */
import { assert, describe, it } from "@effect/vitest"
import type * as Dialect from "@hyperfect/client/Dialect"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, type Tracer } from "effect"
import { makeServer, type Options } from "./dialectServer.ts"
import { makeRecorder } from "./recorder.ts"

type Run = (session: Session.Session) => Effect.Effect<unknown, unknown>

interface Observed {
  readonly result: unknown
  readonly received: ReadonlyArray<Frontend.Message>
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
}

const observe = (run: Run, options: Options, dialect: Dialect.Overrides | undefined) =>
  Effect.gen(function*() {
    const { layer, received } = makeServer(options)
    const { spans, traced } = makeRecorder()
    const result = yield* Session.make({
      endpoint: Endpoint.tcp("db", 5432),
      user: "app",
      sslMode: "disable",
      ...dialect === undefined ? {} : { dialect }
    }).pipe(
      Effect.flatMap(run),
      Effect.match({ onFailure: (error) => error, onSuccess: (value) => value }),
      Effect.scoped,
      traced,
      Effect.provide(layer)
    )
    return { result, received, spans } satisfies Observed
  })

const tagOf = ({ result }: Observed) => (result as { readonly _tag?: string })._tag
const rowsOf = ({ result }: Observed) => (result as { readonly rows?: unknown }).rows
const textsOf = ({ received }: Observed) =>
  received.flatMap((message) => message._tag === "Query" || message._tag === "Parse" ? [message.query] : [])
const attribute = (name: string) => ({ spans }: Observed) => spans.map(({ attributes }) => attributes.get(name))

interface Case {
  readonly override: Dialect.Overrides
  /** Another capability, without which this one has no effect. */
  readonly given?: Dialect.Overrides
  readonly server?: Options
  readonly run: Run
  readonly see: (observed: Observed) => unknown
  readonly without: unknown
  readonly with: unknown
}

const select: Run = (session) => session.values("select n")

const cases: Readonly<Record<string, Case>> = {
  "systemName is the system of spans": {
    override: { systemName: "cockroachdb" },
    run: (session) => session.execute("set a"),
    see: (observed) => attribute("db.system.name")(observed).at(-1),
    without: "postgresql",
    with: "cockroachdb"
  },
  "userDatabase makes the user's name the database of spans": {
    override: { userDatabase: false },
    run: (session) => session.execute("set a"),
    see: (observed) => attribute("db.namespace")(observed).at(-1),
    without: "app",
    with: undefined
  },
  "valueEncoding is the format of parameters of declared types": {
    override: { valueEncoding: "hyper" },
    given: { inferredTypes: false },
    run: (session) => session.execute(sql`select ${7}`),
    see: ({ received }) =>
      received.flatMap((message) =>
        message._tag === "Bind" ? [[message.parameterFormats, message.parameters.map((bytes) => [...bytes!])]] : []
      ),
    without: [[[1], [[0, 0, 0, 7]]]],
    with: [[[2], [[7, 0, 0, 0]]]]
  },
  "reportedFormats checks the reported format of each column": {
    override: { reportedFormats: false },
    given: { namedStatements: false },
    server: { reported: 1 },
    run: select,
    see: (observed) => tagOf(observed) ?? rowsOf(observed),
    without: "ProtocolError",
    with: [[7]]
  },
  "exactFloats sets the number of digits on an old server": {
    override: { exactFloats: false },
    server: { version: "9.6.24" },
    run: () => Effect.void,
    see: textsOf,
    without: ["SET extra_float_digits = 3"],
    with: []
  },
  "extendedFetch allows FETCH in the extended protocol": {
    override: { extendedFetch: false },
    run: (session) => session.values("fetch 1 from c"),
    see: (observed) => [tagOf(observed) ?? rowsOf(observed), textsOf(observed)],
    without: [[[7]], ["fetch 1 from c"]],
    with: ["UnsupportedError", []]
  },
  "failedTransactions leaves it to the server to refuse what follows an error": {
    override: { failedTransactions: false },
    run: (session) => session.transaction(Effect.andThen(Effect.flip(session.execute("fail")), select(session))),
    see: (observed) => [tagOf(observed) ?? rowsOf(observed), textsOf(observed).includes("select n")],
    without: [[[7]], true],
    with: ["ServerError", false]
  }
}

describe("Overrides of single capabilities", () => {
  for (const [title, { given, override, run, see, server = {}, ...expected }] of Object.entries(cases)) {
    it.effect(title, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(see(yield* observe(run, server, given)), expected.without)
        assert.deepStrictEqual(see(yield* observe(run, server, { ...given, ...override })), expected.with)
      }))
  }
})
