/**
 * What can be asked of a session, by way of its engine.
 *
 * @internal
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Queries } from "../Queries.ts"
import { type QueryError, UnsupportedError } from "../QueryError.ts"
import { type Result, rowCount } from "../Result.ts"
import * as ServerError from "../ServerError.ts"
import { fromTextUnsafe, type Statement } from "../Statement.ts"
import type { Types } from "./catalogue.ts"
import { copyIn } from "./copyIn.ts"
import { type Engine, writeFrontend } from "./engine.ts"
import { type Exchange, states } from "./exchange.ts"
import { Collect, type Collected, CopyOut, type MakeReader, type Outlet, Simple, StreamRows } from "./exchanges.ts"
import { Gate } from "./gate.ts"
import { Handoff } from "./handoff.ts"
import { declaredTypes, encodeForHyper, encodeForPostgres } from "./parameters.ts"
import { type Prepared, Statements } from "./prepared.ts"
import { type Known, Reading, type Shape, type Shapes } from "./reading.ts"
import { currentOf, CurrentTransaction, type Sent, transaction } from "./transaction.ts"

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
  /** The statement that the server knows it by. */
  readonly prepared: Prepared | undefined
  readonly reader: <S extends Shape>(shape: S) => {
    readonly make: MakeReader<Shapes[S]>
    readonly known: Known<Shapes[S]> | undefined
  }
}

/** How many results a session remembers the readers of, for others that look alike. */
const readingCacheSize = 256

/** @internal */
export const make = (
  engine: Engine,
  kind: "hyper" | "postgres",
  types: Types,
  defaultPreset: Preset.Preset,
  simpleFormat: () => Type.Format,
  statementCacheSize: number
): Queries => {
  const sessionGate = new Gate(kind)
  // Without a statement that is described first there is no time to look types up.
  const registry = types.initial
  const statements = new Statements(engine, types, statementCacheSize)
  const readings = new WeakMap<Preset.Preset, Map<string, Reading>>()

  const makeReader =
    <S extends Shape>(shape: S, format: Type.Format, preset: Preset.Preset): MakeReader<Shapes[S]> => (fields) => {
      let ofPreset = readings.get(preset)
      if (ofPreset === undefined) readings.set(preset, ofPreset = new Map())
      let key = `${format}`
      for (const { columnNumber, name, tableOid, typeModifier, typeOid } of fields) {
        key += `\0${typeOid} ${typeModifier} ${tableOid} ${columnNumber} ${name}`
      }
      let reading = ofPreset.get(key)
      if (reading === undefined) {
        reading = new Reading(fields, preset, registry, () => format)
        if (ofPreset.size === readingCacheSize) ofPreset.delete(ofPreset.keys().next().value!)
        ofPreset.set(key, reading)
      }
      return reading.known(shape)
    }

  /** The gate that the calling fiber has to pass: that of the transaction that it works in, if there is one. */
  const gate = Effect.map(CurrentTransaction, (current) => currentOf(engine, current)?.gate ?? sessionGate)

  /** For whoever has the session to himself. */
  const noGate = new Gate(kind)

  // Hyper: one group, types declared from the values, results in HyperBinary. Nothing is prepared under a name: a
  // statement whose table is made anew would go on reading the old one (measured).
  const planForHyper = (statement: Statement): Plan => ({
    state: states.Parsing,
    prepared: undefined,
    write: (out) => {
      const encoded = encodeForHyper(statement.parameters)
      writeFrontend(out, { _tag: "Parse", name: "", query: statement.text, parameterTypes: encoded.parameterTypes })
      writeFrontend(out, { _tag: "Bind", portal: "", statement: "", resultFormats: [2], ...encoded })
      out.copy(describeExecuteSync)
    },
    reader: (shape) => ({ make: makeReader(shape, 2, statement.preset ?? defaultPreset), known: undefined })
  })

  const planForPostgres = (statement: Statement, prepared: Prepared): Plan => {
    const reading = prepared.reading(statement.preset ?? defaultPreset)
    return {
      state: states.BindingPrepared,
      prepared,
      write: (out) => {
        const encoded = encodeForPostgres(statement.parameters, prepared.parameterTypes, prepared.registry)
        const { formats: resultFormats } = reading
        writeFrontend(out, { _tag: "Bind", portal: "", statement: prepared.name, resultFormats, ...encoded })
        out.copy(executeSync)
      },
      reader: (shape) => {
        const known = reading.known(shape)
        return { make: () => known, known }
      }
    }
  }

  /** In a failed transaction Hyper leaves it to us to refuse statements, for it does not always do so (measured). */
  const checkTransaction = (text: string): Effect.Effect<void, QueryError> =>
    Effect.suspend(() =>
      kind === "hyper" && engine.status === "E" && !/^\s*(rollback|abort)\b/i.test(text)
        ? Effect.fail(inFailedTransaction())
        : Effect.void
    )

  const plan = (gate: Gate, input: Statement | string): Effect.Effect<Plan, QueryError> =>
    gate.pass(() => {
      const statement = typeof input === "string" ? fromTextUnsafe(input) : input
      if (kind === "hyper") return Effect.as(checkTransaction(statement.text), planForHyper(statement))
      try {
        const prepared = statements.get(statement.text, declaredTypes(statement.parameters))
        return Effect.map(prepared, (prepared) => planForPostgres(statement, prepared))
      } catch (thrown) {
        return Effect.fail(ValueError.fromThrown(thrown))
      }
    })

  /**
   * Submits an exchange and waits for its outcome; interruption abandons it. When the gate has been shut since it was
   * passed, as it can be while a statement is prepared, it starts `again`.
   */
  const run = <A>(
    gate: Gate,
    build: (done: (exit: Exit.Exit<A, QueryError>) => void) => Exchange,
    write: Plan["write"],
    again: () => Effect.Effect<A, QueryError>
  ): Effect.Effect<A, QueryError> =>
    Effect.callback<A, QueryError>((resume) => {
      if (!gate.isOpen) return resume(gate.pass(again))
      const exchange = build(resume)
      engine.submit(exchange, write)
      return engine.abandon(exchange)
    })

  /**
   * Whether the server refused to run a statement because it has forgotten it, or because a table or a composite type has
   * changed, whose values then come with another number of fields.
   */
  const isStale = (failedIn: number | undefined, error: QueryError): boolean =>
    failedIn === states.BindingPrepared && error._tag === "ServerError" &&
    (error.reason.sqlState === "26000" || error.reason._tag === "DatatypeMismatch" ||
      ErrorField.get(error.reason.fields, "routine") === "RevalidateCachedQuery")

  const collect = <S extends Shape>(
    gate: Gate,
    input: Statement | string,
    shape: S,
    isRetry = false
  ): Effect.Effect<Collected<Shapes[S]>, QueryError> =>
    Effect.flatMap(
      plan(gate, input),
      ({ prepared, reader, state, write }) =>
        Effect.flatMap(attempt(() => reader(shape)), ({ known, make }) => {
          let exchange: Collect<Shapes[S]> | undefined
          const outcome = run<Collected<Shapes[S]>>(
            gate,
            (done) => (exchange = new Collect(state, make, known, done)),
            write,
            () => collect(gate, input, shape, isRetry)
          )
          if (prepared === undefined) return outcome
          return Effect.catchIf(outcome, (error) => isStale(exchange?.failedIn, error), (error) => {
            statements.forget(prepared)
            // Nothing has been run, and there is no transaction that it has failed with.
            return engine.status === "I" && !isRetry ? collect(gate, input, shape, true) : Effect.fail(error)
          })
        })
    )

  const collected = <S extends Shape>(
    input: Statement | string,
    shape: S
  ): Effect.Effect<Result<Shapes[S]>, QueryError> =>
    Effect.flatMap(gate, (gate) => Effect.map(collect(gate, input, shape), toResult))

  /** A stream out of an exchange that hands out what comes. The session is its own until the stream's scope closes. */
  const handOut = <A>(
    gate: Gate,
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
        (_, exit) =>
          Effect.suspend(() => {
            handoff.close()
            // A transaction would fail with a statement that is cancelled: the rest of it is read, and dropped.
            return Exit.isSuccess(exit) && engine.status === "T" ? Effect.void : engine.abandon(exchange)
          })
      )
      return Stream.fromPull(Effect.succeed(Effect.andThen(gate.proceed, handoff.pull)))
    }))

  const stream = <S extends Shape>(
    input: Statement | string,
    shape: S
  ): Stream.Stream<Shapes[S], QueryError> =>
    Stream.unwrap(Effect.gen(function*() {
      const own = yield* gate
      yield* own.exclusive
      const { prepared, reader, state, write } = yield* plan(noGate, input)
      const { known, make } = yield* attempt(() => reader(shape))
      return handOut<Shapes[S]>(own, (outlet, done) => {
        const exchange: StreamRows<Shapes[S]> = new StreamRows(state, make, known?.reader, outlet, (exit) => {
          const error = exchange.error()
          if (prepared !== undefined && error !== undefined && isStale(exchange.failedIn, error)) {
            statements.forget(prepared)
          }
          done(exit)
        })
        return exchange
      }, write)
    }))

  const writeQuery = (text: string): Plan["write"] => (out) => writeFrontend(out, { _tag: "Query", query: text })

  type Results = ReadonlyArray<Collected<ObjectRow>>

  const buildSimple = (done: (exit: Exit.Exit<Results, QueryError>) => void) =>
    new Simple(states.Querying, makeReader("object", simpleFormat(), defaultPreset), done)

  const simple = (gate: Gate, text: string): Effect.Effect<Results, QueryError> =>
    Effect.andThen(checkTransaction(text), run(gate, buildSimple, writeQuery(text), () => simple(gate, text)))

  const send = (text: string): Sent => {
    const outcome = Deferred.makeUnsafe<Results, QueryError>()
    const exchange = buildSimple((exit) => Deferred.doneUnsafe(outcome, exit))
    engine.submit(exchange, writeQuery(text))
    return { exchange, outcome: Deferred.await(outcome) }
  }

  /** The text of a COPY, which goes by the simple protocol and has no parameters. */
  const copyText = (input: Statement | string): Effect.Effect<string, QueryError> => {
    const { parameters, text } = typeof input === "string" ? fromTextUnsafe(input) : input
    return parameters.length === 0
      ? Effect.as(checkTransaction(text), text)
      : Effect.fail(new UnsupportedError({ feature: "parameters in COPY", server: kind }))
  }

  const copyOut = (input: Statement | string): Stream.Stream<Uint8Array, QueryError> =>
    Stream.unwrap(Effect.gen(function*() {
      const own = yield* gate
      yield* own.exclusive
      const text = yield* copyText(input)
      return handOut<Uint8Array>(own, (outlet, done) => {
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
    query: (statement) => collected(statement, "object"),
    values: (statement) => collected(statement, "array"),
    simple: (text) =>
      Effect.flatMap(gate, (gate) => Effect.map(simple(gate, text), (results) => results.map(toResult))),
    stream: (statement) => stream(statement, "object"),
    streamValues: (statement) => stream(statement, "array"),
    copyIn: (input, data) =>
      Effect.flatMap(
        gate,
        (gate) =>
          gate.alone(Effect.flatMap(copyText(input), (text) =>
            copyIn(engine, kind, writeQuery(text), Stream.unwrap(Effect.as(gate.proceed, data)))))
      ),
    copyOut,
    transaction: (effect, options) => transaction({ engine, kind, gate: sessionGate, send }, effect, options)
  }
}

const inFailedTransaction = () =>
  ServerError.fromFields([
    { code: "S", value: "ERROR" },
    { code: "C", value: "25P02" },
    { code: "M", value: "the transaction has failed, statements are ignored until it is rolled back" }
  ])

const attempt = <A>(evaluate: () => A): Effect.Effect<A, ValueError.ValueError> => {
  try {
    return Effect.succeed(evaluate())
  } catch (thrown) {
    return Effect.fail(ValueError.fromThrown(thrown))
  }
}
