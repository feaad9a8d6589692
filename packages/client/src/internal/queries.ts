/**
 * What can be asked of a session, by way of its engine.
 *
 * @internal
 */
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Readers from "@hyperfect/values/RowReader"
import type { ArrayRow, ObjectRow, RowReader } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Queries } from "../Queries.ts"
import { type QueryError, UnsupportedError } from "../QueryError.ts"
import { type FieldDescription, type Result, rowCount } from "../Result.ts"
import { fromTextUnsafe, type Statement } from "../Statement.ts"
import { copyIn } from "./copyIn.ts"
import { type Engine, writeFrontend } from "./engine.ts"
import { type Exchange, states } from "./exchange.ts"
import { Collect, type Collected, CopyOut, type MakeReader, type Outlet, Simple, StreamRows } from "./exchanges.ts"
import { Gate } from "./gate.ts"
import { Handoff } from "./handoff.ts"
import { declaredTypes, encodeForHyper, encodeForPostgres } from "./parameters.ts"
import { type Prepared, Statements } from "./prepared.ts"
import { CurrentTransaction, transaction } from "./transaction.ts"

type Shape = "object" | "array"

const tail = (messages: ReadonlyArray<Frontend.Message>): Uint8Array =>
  Uint8Array.from(messages.flatMap((message) => [...Frontend.encodeUnsafe(message)]))

const execute: Frontend.Message = { _tag: "Execute", portal: "", maxRows: 0 }
const sync: Frontend.Message = { _tag: "Sync" }
const describeExecuteSync = tail([{ _tag: "Describe", kind: "P", name: "" }, execute, sync])
const executeSync = tail([execute, sync])

const toResult = <Row>({ commandTag, fields, rows }: Collected<Row>): Result<Row> => ({
  rows,
  fields,
  commandTag,
  rowCount: rowCount(commandTag)
})

/** How one statement is run on one kind of server: how its frames are written and its rows read. */
interface Plan {
  readonly state: number
  readonly write: (out: Parameters<typeof writeFrontend>[0]) => void
  readonly reader: <Row>(shape: Shape) => {
    readonly make: MakeReader<Row>
    readonly known: { readonly fields: ReadonlyArray<FieldDescription>; readonly reader: RowReader<Row> } | undefined
  }
}

/** How many row readers a session keeps for results that look alike. */
const readerCacheSize = 256

/** @internal */
export const make = (
  engine: Engine,
  kind: "hyper" | "postgres",
  registry: TypeRegistry.TypeRegistry,
  simpleFormat: () => Type.Format,
  statementCacheSize: number
): Queries => {
  const sessionGate = new Gate()
  const statements = new Statements(engine, registry, statementCacheSize)
  const readers = new Map<string, RowReader<never>>()

  const makeReader = <Row>(shape: Shape, format: Type.Format): MakeReader<Row> => (fields) => {
    const signature = fields.map(({ name, typeModifier, typeOid }) => `${typeOid} ${typeModifier} ${name}`)
    const key = `${shape} ${format}\0${signature.join("\0")}`
    let reader = readers.get(key)
    if (reader === undefined) {
      const options = { columns: fields, formats: format, registry }
      reader = (shape === "object" ? Readers.objectsUnsafe(options) : Readers.arraysUnsafe(options)) as RowReader<never>
      if (readers.size === readerCacheSize) readers.delete(readers.keys().next().value!)
      readers.set(key, reader)
    }
    return reader
  }

  /** Ends when the calling fiber may submit: at once inside the transaction that has the session. */
  const pass = Effect.flatMap(CurrentTransaction, (current) => gateOf(current).pass)

  /** Has the session to itself until the scope closes. */
  const exclusive: Effect.Effect<void, never, Scope.Scope> = Effect.flatMap(
    CurrentTransaction,
    (current) => gateOf(current).exclusive
  )

  const gateOf = (current: { readonly engine: Engine; readonly gate: Gate } | undefined): Gate =>
    current !== undefined && current.engine === engine ? current.gate : sessionGate

  // Hyper: one group, types declared from the values, results in HyperBinary. Nothing is prepared under a name: a
  // statement whose table is made anew would go on reading the old one (measured).
  const planForHyper = (statement: Statement): Plan => ({
    state: states.Parsing,
    write: (out) => {
      const encoded = encodeForHyper(statement.parameters)
      writeFrontend(out, { _tag: "Parse", name: "", query: statement.text, parameterTypes: encoded.parameterTypes })
      writeFrontend(out, { _tag: "Bind", portal: "", statement: "", resultFormats: [2], ...encoded })
      out.copy(describeExecuteSync)
    },
    reader: <Row>(shape: Shape) => ({ make: makeReader<Row>(shape, 2), known: undefined })
  })

  const planForPostgres = (statement: Statement, prepared: Prepared): Plan => ({
    state: states.BindingPrepared,
    write: (out) => {
      const encoded = encodeForPostgres(statement.parameters, prepared.parameterTypes, registry)
      const { name, resultFormats } = prepared
      writeFrontend(out, { _tag: "Bind", portal: "", statement: name, resultFormats, ...encoded })
      out.copy(executeSync)
    },
    reader: (shape: Shape) => {
      const reader = (shape === "object" ? prepared.objects() : prepared.arrays()) as RowReader<never>
      return { make: () => reader, known: { fields: prepared.fields, reader } }
    }
  })

  const plan = (input: Statement | string): Effect.Effect<Plan, QueryError> =>
    Effect.suspend(() => {
      const statement = typeof input === "string" ? fromTextUnsafe(input) : input
      if (kind === "hyper") return Effect.succeed(planForHyper(statement))
      return attempt(() => declaredTypes(statement.parameters)).pipe(
        Effect.flatMap((types) => statements.get(statement.text, types)),
        Effect.map((prepared) => planForPostgres(statement, prepared))
      )
    })

  /** Submits an exchange and waits for its outcome; interruption abandons it. */
  const run = <A>(
    build: (done: (exit: Exit.Exit<A, QueryError>) => void) => Exchange,
    write: Plan["write"]
  ): Effect.Effect<A, QueryError> =>
    Effect.callback<A, QueryError>((resume) => {
      const exchange = build(resume)
      engine.submit(exchange, write)
      return engine.abandon(exchange)
    })

  const collect = <Row>(input: Statement | string, shape: Shape): Effect.Effect<Result<Row>, QueryError> =>
    Effect.flatMap(pass, () => plan(input)).pipe(
      Effect.flatMap(({ reader, state, write }) =>
        Effect.flatMap(
          attempt(() => reader<Row>(shape)),
          ({ known, make }) => run<Collected<Row>>((done) => new Collect(state, make, known, done), write)
        )
      ),
      Effect.map(toResult)
    )

  /** A stream out of an exchange that hands out what comes. The session is its own until the stream's scope closes. */
  const handOut = <A>(
    start: (
      outlet: Outlet<A>,
      done: (exit: Exit.Exit<void, QueryError>) => void
    ) => Exchange & { readonly takeBatch: () => Array<A> },
    write: Plan["write"]
  ): Stream.Stream<A, QueryError> =>
    Stream.unwrap(Effect.gen(function*() {
      const handoff = new Handoff<A, QueryError>()
      const exchange: ReturnType<typeof start> = start(handoff, (exit) => {
        handoff.push(exchange.takeBatch())
        handoff.end(exit)
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => engine.submit(exchange, write)),
        () => Effect.andThen(Effect.sync(() => handoff.close()), engine.abandon(exchange))
      )
      return Stream.fromPull(Effect.succeed(handoff.pull))
    }))

  const stream = <Row>(input: Statement | string, shape: Shape): Stream.Stream<Row, QueryError> =>
    Stream.unwrap(Effect.gen(function*() {
      yield* exclusive
      const { reader, state, write } = yield* plan(input)
      const { known, make } = yield* attempt(() => reader<Row>(shape))
      return handOut<Row>((outlet, done) => new StreamRows(state, make, known?.reader, outlet, done), write)
    }))

  const writeQuery = (text: string): Plan["write"] => (out) => writeFrontend(out, { _tag: "Query", query: text })

  const simple = <Row>(text: string, shape: Shape): Effect.Effect<ReadonlyArray<Result<Row>>, QueryError> =>
    run<ReadonlyArray<Collected<Row>>>(
      (done) => new Simple(states.Querying, makeReader<Row>(shape, simpleFormat()), done),
      writeQuery(text)
    ).pipe(Effect.map((results) => results.map(toResult)))

  /** The text of a statement for the simple protocol, which has no parameters. */
  const plainText = (input: Statement | string): Effect.Effect<string, UnsupportedError> => {
    if (typeof input === "string") return Effect.succeed(input)
    return input.parameters.length === 0
      ? Effect.succeed(input.text)
      : Effect.fail(new UnsupportedError({ feature: "parameters in COPY", server: kind }))
  }

  const copyOut = (input: Statement | string): Stream.Stream<Uint8Array, QueryError> =>
    Stream.unwrap(Effect.gen(function*() {
      const text = yield* plainText(input)
      yield* exclusive
      return handOut<Uint8Array>((outlet, done) => {
        const exchange: CopyOut = new CopyOut(states.Querying, outlet, (exit) =>
          done(
            Exit.isSuccess(exit) && !exchange.started
              ? Exit.fail(new UnsupportedError({ feature: "copying from what is no COPY ... TO STDOUT", server: kind }))
              : Exit.asVoid(exit)
          ))
        return exchange
      }, writeQuery(text))
    }))

  return {
    query: (statement) => collect<ObjectRow>(statement, "object"),
    values: (statement) => collect<ArrayRow>(statement, "array"),
    simple: (text) => Effect.flatMap(pass, () => simple<ObjectRow>(text, "object")),
    stream: (statement) => stream<ObjectRow>(statement, "object"),
    streamValues: (statement) => stream<ArrayRow>(statement, "array"),
    copyIn: (input, data) =>
      Effect.scoped(Effect.gen(function*() {
        const text = yield* plainText(input)
        yield* exclusive
        return yield* copyIn(engine, kind, writeQuery(text), data)
      })),
    copyOut,
    transaction: (effect, options) =>
      transaction({ engine, kind, exclusive, command: (text) => simple<ObjectRow>(text, "object") }, effect, options)
  }
}

const attempt = <A>(evaluate: () => A): Effect.Effect<A, ValueError.ValueError> => {
  try {
    return Effect.succeed(evaluate())
  } catch (thrown) {
    return Effect.fail(ValueError.fromThrown(thrown))
  }
}
