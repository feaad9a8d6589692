/**
 * What can be asked of a session, by way of its engine.
 *
 * @internal
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Queries } from "../Queries.ts"
import { type QueryError, UnsupportedError } from "../QueryError.ts"
import type { FieldDescription, Result } from "../Result.ts"
import * as ServerError from "../ServerError.ts"
import type { Statement } from "../Statement.ts"
import type { Types } from "./catalogue.ts"
import { copyIn } from "./copyIn.ts"
import { type Engine, type WriteFrames, writeFrontend } from "./engine.ts"
import { type Exchange, states } from "./exchange.ts"
import {
  Collect,
  CollectColumns,
  CopyOut,
  type Describe,
  type Gather,
  type Outlet,
  Simple,
  StreamRows
} from "./exchanges.ts"
import { Gate } from "./gate.ts"
import { Handoff } from "./handoff.ts"
import { declaredTypes, encodeForHyper, encodeForPostgres } from "./parameters.ts"
import { type Prepared, Statements } from "./prepared.ts"
import { type IntoColumns, Reading, type Rows } from "./reading.ts"
import { currentOf, CurrentTransaction, type Sent, transaction } from "./transaction.ts"

const tail = (messages: ReadonlyArray<Frontend.Message>): Uint8Array =>
  Uint8Array.from(messages.flatMap((message) => [...Frontend.encodeUnsafe(message)]))

const execute: Frontend.Message = { _tag: "Execute", portal: "", maxRows: 0 }
const sync: Frontend.Message = { _tag: "Sync" }
const describeExecuteSync = tail([{ _tag: "Describe", kind: "P", name: "" }, execute, sync])
const executeSync = tail([execute, sync])

/** What is asked for, as far as it takes to ask it. */
type Asked = Pick<Statement, "text" | "parameters" | "preset">

const noParameters: ReadonlyArray<unknown> = []

const asked = (input: Statement | string): Asked =>
  typeof input === "string" ? { text: input, parameters: noParameters, preset: undefined } : input

/** What a result is read as. Throws a `ValueError.Reason` for columns that cannot be read so. */
type Shape<K> = (reading: Reading) => K

const objects = (reading: Reading): Rows<ObjectRow> => reading.objects()
const arrays = (reading: Reading): Rows<ArrayRow> => reading.arrays()
const columns = (reading: Reading): IntoColumns => reading.columns()

/** The exchange that gathers such a result. */
type Gathering<K extends { readonly fields: ReadonlyArray<FieldDescription> }, A> = new(
  state: number,
  describe: Describe<K>,
  known: K | undefined,
  done: (exit: Exit.Exit<A, QueryError>) => void
) => Gather<K, A>

/** How one statement is run on one kind of server: how its frames are written and its rows read. */
interface Plan<K> {
  readonly state: number
  readonly write: WriteFrames
  /** The statement that the server knows it by. */
  readonly prepared: Prepared | undefined
  readonly describe: Describe<K>
  /** What reads the result, when its columns are known already. */
  readonly known: K | undefined
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

  const describe = <K>(shape: Shape<K>, format: Type.Format, preset: Preset.Preset): Describe<K> => (fields) => {
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
    return shape(reading)
  }

  /** The gate that a fiber has to pass: that of the transaction that it works in, if there is one. */
  const gateOf = (fiber: Fiber.Fiber<unknown, unknown>): Gate =>
    currentOf(engine, fiber.getRef(CurrentTransaction))?.gate ?? sessionGate

  const gate = Effect.withFiber((fiber) => Effect.succeed(gateOf(fiber)))

  // Hyper: one group, types declared from the values, results in HyperBinary. Nothing is prepared under a name: a
  // statement whose table is made anew would go on reading the old one (measured).
  const planForHyper = <K>({ parameters, preset, text }: Asked, shape: Shape<K>): Plan<K> => ({
    state: states.Parsing,
    prepared: undefined,
    write: (out) => {
      const encoded = encodeForHyper(parameters)
      writeFrontend(out, { _tag: "Parse", name: "", query: text, parameterTypes: encoded.parameterTypes })
      writeFrontend(out, { _tag: "Bind", portal: "", statement: "", resultFormats: [2], ...encoded })
      out.copy(describeExecuteSync)
    },
    describe: describe(shape, 2, preset ?? defaultPreset),
    known: undefined
  })

  const planForPostgres = <K>({ parameters, preset }: Asked, shape: Shape<K>, prepared: Prepared): Plan<K> => {
    const reading = prepared.reading(preset ?? defaultPreset)
    const known = shape(reading)
    return {
      state: states.BindingPrepared,
      prepared,
      write: (out) => {
        const encoded = encodeForPostgres(parameters, prepared.parameterTypes, prepared.registry)
        const { formats: resultFormats } = reading
        writeFrontend(out, { _tag: "Bind", portal: "", statement: prepared.name, resultFormats, ...encoded })
        out.copy(executeSync)
      },
      describe: () => known,
      known
    }
  }

  /** In a failed transaction Hyper leaves it to us to refuse statements, for it does not always do so (measured). */
  const isRefused = (text: string): boolean =>
    kind === "hyper" && engine.status === "E" && !/^\s*(rollback|abort)\b/i.test(text)

  const checkTransaction = (text: string): Effect.Effect<void, QueryError> =>
    Effect.suspend(() => isRefused(text) ? Effect.fail(inFailedTransaction()) : Effect.void)

  /** An effect that has its outcome already, unless the statement is not known yet. */
  const planUnsafe = <K>(statement: Asked, shape: Shape<K>): Effect.Effect<Plan<K>, QueryError> => {
    if (kind === "hyper") {
      return isRefused(statement.text)
        ? Effect.fail(inFailedTransaction())
        : Effect.succeed(planForHyper(statement, shape))
    }
    return chain(
      attempt(() => statements.get(statement.text, declaredTypes(statement.parameters))),
      (prepared) => chain(prepared, (prepared) => attempt(() => planForPostgres(statement, shape, prepared)))
    )
  }

  /** Submits an exchange and waits for its outcome; interruption abandons it. */
  const run = <A>(
    gate: Gate,
    build: (done: (outcome: Effect.Effect<A, QueryError>) => void) => Exchange,
    write: WriteFrames,
    again: () => Effect.Effect<A, QueryError>
  ): Effect.Effect<A, QueryError> =>
    Effect.callback<A, QueryError>((resume) => {
      // It can have been shut since it was passed, as it can be while a statement is prepared.
      if (!gate.isOpen) return resume(gate.pass(again))
      const exchange = build(resume)
      engine.submit(exchange, write)
      return engine.abandon(exchange)
    })

  /**
   * Whether the server refused to run a statement because it has forgotten it, or because a table or a composite type has
   * changed, whose values then come with another number of fields.
   */
  const isStale = (failedIn: number | undefined, error: QueryError | undefined): boolean =>
    failedIn === states.BindingPrepared && error?._tag === "ServerError" &&
    (error.reason.sqlState === "26000" || error.reason._tag === "DatatypeMismatch" ||
      ErrorField.get(error.reason.fields, "routine") === "RevalidateCachedQuery")

  /** Runs a statement in the calling step, as far as that goes: an open gate has been passed. */
  const gatherUnsafe = <K extends { readonly fields: ReadonlyArray<FieldDescription> }, A>(
    gate: Gate,
    statement: Asked,
    shape: Shape<K>,
    Gathering: Gathering<K, A>,
    isRetry: boolean
  ): Effect.Effect<A, QueryError> =>
    chain(planUnsafe(statement, shape), ({ describe, known, prepared, state, write }) => {
      const again = (isRetry: boolean) => gate.pass(() => gatherUnsafe(gate, statement, shape, Gathering, isRetry))
      return run<A>(
        gate,
        (done) => {
          const exchange: Gather<K, A> = new Gathering(state, describe, known, (exit) => {
            if (prepared === undefined || !isStale(exchange.failedIn, exchange.error())) return done(exit)
            statements.forget(prepared)
            // Nothing has been run, and there is no transaction that it has failed with.
            done(engine.status === "I" && !isRetry ? again(true) : exit)
          })
          return exchange
        },
        write,
        () => gatherUnsafe(gate, statement, shape, Gathering, isRetry)
      )
    })

  const gather = <K extends { readonly fields: ReadonlyArray<FieldDescription> }, A>(
    input: Statement | string,
    shape: Shape<K>,
    Gathering: Gathering<K, A>
  ): Effect.Effect<A, QueryError> =>
    Effect.withFiber((fiber) => {
      const gate = gateOf(fiber)
      return gate.passUnsafe(() => gatherUnsafe(gate, asked(input), shape, Gathering, false))
    })

  /** A stream out of an exchange that hands out what comes. The session is its own until the stream's scope closes. */
  const handOut = <A>(
    gate: Gate,
    start: (
      outlet: Outlet<A>,
      done: (exit: Exit.Exit<void, QueryError>) => void
    ) => Exchange & { readonly takeBatch: () => Array<A> },
    write: WriteFrames
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

  const stream = <Row>(input: Statement | string, shape: Shape<Rows<Row>>): Stream.Stream<Row, QueryError> =>
    Stream.unwrap(Effect.gen(function*() {
      const own = yield* gate
      yield* own.exclusive
      const { describe, known, prepared, state, write } = yield* planUnsafe(asked(input), shape)
      return handOut<Row>(own, (outlet, done) => {
        const exchange: StreamRows<Row> = new StreamRows(state, describe, known, outlet, (exit) => {
          if (prepared !== undefined && isStale(exchange.failedIn, exchange.error())) statements.forget(prepared)
          done(exit)
        })
        return exchange
      }, write)
    }))

  const writeQuery = (text: string): WriteFrames => (out) => writeFrontend(out, { _tag: "Query", query: text })

  type Results = ReadonlyArray<Result<ObjectRow>>

  const buildSimple = (done: (exit: Exit.Exit<Results, QueryError>) => void) =>
    new Simple(states.Querying, describe(objects, simpleFormat(), defaultPreset), done)

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
    const { parameters, text } = asked(input)
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
    query: (statement) => gather<Rows<ObjectRow>, Result<ObjectRow>>(statement, objects, Collect),
    values: (statement) => gather<Rows<ArrayRow>, Result<ArrayRow>>(statement, arrays, Collect),
    columns: (statement) => gather(statement, columns, CollectColumns),
    simple: (text) => Effect.flatMap(gate, (gate) => simple(gate, text)),
    stream: (statement) => stream(statement, objects),
    streamValues: (statement) => stream(statement, arrays),
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

/** As `Effect.flatMap`, but in the calling step when the outcome is there already. */
const chain = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  next: (value: A) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2> => {
  if (!Exit.isExit(effect)) return Effect.flatMap(effect, next)
  const exit = effect as Exit.Exit<A, E>
  return Exit.isSuccess(exit) ? next(exit.value) : Effect.failCause(exit.cause)
}
