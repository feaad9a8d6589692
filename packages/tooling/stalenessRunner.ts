/**
 * Checks caches against a model: random sequences of statements, and of changes to their meaning, are run by a session
 * of the client and by a client without caches, in two databases that start out equal. Both must return the same
 * results.
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import type { PreparedStatement } from "@hyperfect/client/Queries"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Columns from "@hyperfect/values/Columns"
import * as UnknownValue from "@hyperfect/values/UnknownValue"
import { BigDecimal, Effect, Result, Scope, Stream } from "effect"
import { isDeepStrictEqual } from "node:util"
import {
  allReads,
  type Call,
  type Kind,
  kinds,
  makeRandom,
  type Operation,
  sequence,
  serverSetup,
  setup
} from "./stalenessOperations.ts"
import { clientSide, openOracle, type Oracle, type Outcome, type Value } from "./stalenessOracle.ts"

export interface Options {
  readonly seed: number
  /** The time limit. */
  readonly seconds: number
  /** The number of sequences to run even if they take longer; 1 when absent. */
  readonly atLeast?: number | undefined
  /** The number of operations in a sequence; 25 when absent. */
  readonly length?: number | undefined
  /** The kinds of operations; all when absent. */
  readonly kinds?: Iterable<Kind> | undefined
  /** Additional settings of the client's session. */
  readonly config?: Partial<ConnectionConfig> | undefined
}

/** A violation: the client and the one without caches returned different results. */
export interface Violation {
  /** The seed that reproduces the sequence. */
  readonly seed: number
  /** A minimal sequence that still shows it. */
  readonly operations: ReadonlyArray<Operation>
  readonly operation: Operation
  readonly expected: Outcome
  readonly found: Outcome
}

export interface Report {
  readonly sequences: number
  readonly operations: number
  readonly violation: Violation | undefined
}

/** Databases of the client under test, and of the one without caches. */
const databases = ["subject", "model"] as const

type Fields = ReadonlyArray<{ readonly name: string }>

const canonical = (value: unknown): unknown => {
  if (typeof value === "number" || typeof value === "bigint") return String(value)
  if (typeof value !== "object" || value === null) return value
  if (UnknownValue.isUnknownValue(value)) return "an UnknownValue"
  if (BigDecimal.isBigDecimal(value)) return BigDecimal.format(value)
  if (Array.isArray(value)) return value.map(canonical)
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, canonical(part)]))
}

const done = (fields: Fields, rows: ReadonlyArray<ReadonlyArray<unknown>>, tag: string): Outcome => ({
  _tag: "Done",
  names: fields.map(({ name }) => name),
  rows: rows.map(canonical),
  tag
})

const failed = (error: unknown): Outcome => {
  const { _tag, message, reason } = error as { _tag: string; message: string; reason?: { sqlState?: string } }
  const refused = _tag === "ValueError" || _tag === "UnsupportedError"
  return { _tag: "Failed", code: refused ? clientSide : reason?.sqlState ?? _tag, message }
}

const settle = <E, R>(effect: Effect.Effect<Outcome, E, R>): Effect.Effect<Outcome, never, R> =>
  Effect.catch(effect, (error) => Effect.succeed(failed(error)))

/**
 * True for SQLSTATEs of values that do not fit a type. A client may find this before it sends them, including to a
 * failed transaction.
 */
const isValueRefused = (code: string): boolean => /^(?:22|42804|25P02)/.test(code) || code === clientSide

const agree = (expected: Outcome, found: Outcome): boolean =>
  expected._tag === "Failed" && found._tag === "Failed"
    ? expected.code === found.code ||
      (found.code === clientSide && (expected.hasLaterRefusal === true || isValueRefused(expected.code)))
    : isDeepStrictEqual(expected, found)

/** True if a stream did not know a type in a record. */
const hasUnknown = ({ _tag, ...outcome }: Outcome): boolean =>
  _tag === "Done" && JSON.stringify(outcome).includes("UnknownValue")

const toStatement = ({ parameters, text }: Call): Statement.Statement => Statement.fromTextUnsafe(text, parameters)

/** A difference between the outcomes of the client and of the model. */
class Disagreement {
  readonly _tag = "Disagreement"
  readonly operation: Operation
  readonly expected: Outcome
  readonly found: Outcome
  constructor(operation: Operation, expected: Outcome, found: Outcome) {
    this.operation = operation
    this.expected = expected
    this.found = found
  }
}

/** Both clients, each with another session that makes changes for it. */
interface World {
  readonly session: Session.Session
  readonly oracle: Oracle
  readonly others: readonly [Oracle, Oracle]
  /** Explicitly prepared statements, until the scope closes. */
  readonly prepared: Map<number, { readonly text: string; readonly statement: PreparedStatement }>
  readonly scope: Scope.Scope
  /** True if the client has an open transaction. */
  isInside: boolean
}

const runCall = (session: Session.Session, method: string, call: Call): Effect.Effect<Outcome, unknown> => {
  const statement = toStatement(call)
  switch (method) {
    case "values":
      return Effect.map(session.values(statement), ({ commandTag, fields, rows }) => done(fields, rows, commandTag))
    case "columns":
      return Effect.map(session.columns(statement), ({ columns, commandTag, fields }) => {
        const rows = Array.from(
          { length: columns[0]?.length ?? 0 },
          (_, row) => columns.map((column) => Columns.get(column, row))
        )
        return done(fields, rows, commandTag)
      })
    case "execute":
      return Effect.map(session.execute(statement), ({ commandTag }) => done([], [], commandTag))
    case "stream":
    case "fetch":
      return Effect.map(
        Stream.runCollect(session.stream(statement, method === "fetch" ? { fetchSize: 1 } : {})),
        (rows) => done([], rows.map((row) => Object.values(row)), "")
      )
    default:
      return Effect.map(session.query(statement), ofQuery)
  }
}

const ofQuery = (
  { commandTag, fields, rows }: {
    readonly fields: Fields
    readonly rows: ReadonlyArray<object>
    readonly commandTag: string
  }
): Outcome => done(fields, rows.map((row) => Object.values(row)), commandTag)

/** Returns the part of the model's outcome that a method reveals. */
const asSeenBy = (method: string, outcome: Outcome): Outcome =>
  outcome._tag === "Failed"
    ? outcome
    : method === "execute"
    ? { ...outcome, names: [], rows: [] }
    : method === "stream" || method === "fetch"
    ? { ...outcome, names: [], tag: "" }
    : outcome

/** Runs an effect on the model. In a transaction, an error that only a client raises must not make it fail. */
const guarded = Effect.fnUntraced(function*(
  { oracle }: World,
  parameters: ReadonlyArray<Value>,
  run: Effect.Effect<Outcome, unknown>
): Effect.fn.Return<Outcome, unknown> {
  if (parameters.length === 0 || oracle.status() !== "T") return yield* run
  yield* oracle.simple("savepoint model")
  const outcome = yield* run
  if (outcome._tag === "Done") yield* oracle.simple("release savepoint model")
  return outcome
})

/** Runs a statement on the model. */
const runModel = (world: World, { parameters, text }: Call): Effect.Effect<Outcome, unknown> =>
  guarded(world, parameters, world.oracle.run(text, parameters))

/** Runs statements of a transaction until one fails. */
const runBatch = Effect.fnUntraced(function*(
  oracle: Oracle,
  calls: ReadonlyArray<Call>
): Effect.fn.Return<Outcome, unknown> {
  const isInside = oracle.status() === "T"
  if (isInside) yield* oracle.simple("savepoint batch")
  const rows: Array<Outcome> = []
  for (const [i, { parameters, text }] of calls.entries()) {
    const outcome = yield* oracle.run(text, parameters)
    if (outcome._tag === "Failed") {
      return isInside ? { ...outcome, hasLaterRefusal: yield* hasRefusal(oracle, calls.slice(i + 1)) } : outcome
    }
    rows.push(outcome)
  }
  if (isInside) yield* oracle.simple("release savepoint batch")
  return { _tag: "Done", names: [], rows, tag: "" }
})

/** True if one of the statements refuses a value. The transaction has failed, before and afterwards. */
const hasRefusal = Effect.fnUntraced(function*(oracle: Oracle, calls: ReadonlyArray<Call>) {
  let refuses = false
  for (const { parameters, text } of calls) {
    yield* oracle.simple("rollback to savepoint batch")
    const outcome = yield* oracle.run(text, parameters)
    refuses ||= outcome._tag === "Failed" && isValueRefused(outcome.code)
  }
  yield* oracle.simple("fail")
  return refuses
})

const check = Effect.fnUntraced(function*(
  world: World,
  operation: Operation,
  expected: Outcome,
  found: Outcome
) {
  if (!agree(expected, found)) return yield* Effect.fail(new Disagreement(operation, expected, found))
  if (expected._tag === "Failed" && found._tag === "Failed" && found.code === clientSide) {
    if (world.oracle.status() === "E" && world.session.transactionStatus() === "T") {
      yield* world.oracle.simple("rollback to savepoint model; release savepoint model")
    }
  }
  const [status, wanted] = [world.session.transactionStatus(), world.oracle.status()]
  if (status === wanted) return
  const told = (status: string): Outcome => ({ _tag: "Failed", code: status, message: "transaction status" })
  yield* Effect.fail(new Disagreement(operation, told(wanted), told(status)))
})

const step = Effect.fnUntraced(function*(world: World, operation: Operation): Effect.fn.Return<void, unknown> {
  const { oracle, session } = world
  switch (operation._tag) {
    case "Run": {
      const { call, method } = operation
      const expected = asSeenBy(method, yield* runModel(world, call))
      const run = settle(runCall(session, method, call))
      const found = yield* run
      // A stream is correct from its next run on, as documented.
      return yield* check(world, operation, expected, hasUnknown(found) ? yield* run : found)
    }
    case "Prepare": {
      const expected = yield* oracle.describe(operation.text)
      const found = yield* settle(
        Effect.map(Scope.provide(session.prepare(operation.text), world.scope), (statement) => {
          world.prepared.set(operation.slot, { statement, text: operation.text })
          return done(statement.fields, [], "")
        })
      )
      return yield* check(world, operation, expected, found)
    }
    case "RunPrepared": {
      const prepared = world.prepared.get(operation.slot)
      if (prepared === undefined) return
      const { statement, text } = prepared
      const expected = yield* runModel(world, { text, parameters: operation.parameters })
      const found = yield* settle(Effect.map(statement.query(...operation.parameters), ofQuery))
      return yield* check(world, operation, expected, found)
    }
    case "Simple": {
      const { error, tag } = yield* oracle.simple(operation.text)
      const expected: Outcome = error === undefined
        ? { _tag: "Done", names: [], rows: [], tag }
        : { _tag: "Failed", ...error }
      const found = yield* settle(
        Effect.map(session.simple(operation.text), (results) => done([], [], results.at(-1)!.commandTag))
      )
      return yield* check(world, operation, expected, found)
    }
    case "CopyIn": {
      const { error, tag } = yield* oracle.simple(operation.text, operation.data)
      const expected: Outcome = error === undefined
        ? { _tag: "Done", names: [], rows: [], tag }
        : { _tag: "Failed", ...error }
      const found = yield* settle(
        Effect.map(
          session.copyIn(operation.text, Stream.make(new TextEncoder().encode(operation.data))),
          ({ commandTag }) => done([], [], commandTag)
        )
      )
      return yield* check(world, operation, expected, found)
    }
    case "Batch": {
      const isAlone = oracle.status() === "I"
      if (isAlone) yield* oracle.simple("begin")
      const { calls } = operation
      const parameters = calls.flatMap(({ parameters }) => parameters)
      const expected = yield* guarded(world, parameters, runBatch(oracle, calls))
      if (isAlone) yield* oracle.simple(expected._tag === "Done" ? "commit" : "rollback")
      const found = yield* settle(
        Effect.map(session.batch(calls.map(toStatement)), (results): Outcome => ({
          _tag: "Done",
          names: [],
          rows: results.map(ofQuery),
          tag: ""
        }))
      )
      return yield* check(world, operation, expected, found)
    }
    case "Pipeline": {
      // In a transaction, each of them would depend on the failure of the one before.
      if (oracle.status() !== "I") return
      const expected = yield* Effect.forEach(operation.calls, (call) => runModel(world, call))
      const found = yield* session.pipeline(operation.calls.map(toStatement))
      for (const [i, wanted] of expected.entries()) {
        const outcome = found[i]!
        yield* check(
          world,
          operation,
          wanted,
          Result.isSuccess(outcome) ? ofQuery(outcome.success) : failed(outcome.failure)
        )
      }
      return
    }
    case "Others": {
      const outcomes = yield* Effect.forEach(
        world.others,
        (other) => other.simple(`begin; ${operation.text}`),
        { concurrency: "unbounded" }
      )
      const end = outcomes.every(({ error }) => error === undefined) ? "commit" : "rollback"
      return yield* Effect.forEach(world.others, (other) => other.simple(end), { discard: true })
    }
    case "Transaction":
      return yield* transaction(world, operation)
  }
})

class Undone {
  readonly _tag = "Undone"
}

/** A transaction of the client, or a savepoint inside one. */
const transaction = Effect.fnUntraced(function*(
  world: World,
  operation: Extract<Operation, { readonly _tag: "Transaction" }>
): Effect.fn.Return<void, unknown> {
  const { isInside, oracle, session } = world
  const { options: { role, settings }, options } = operation
  // A transaction that was begun by an SQL text is also ended by one.
  if (oracle.status() !== (isInside ? "T" : "I")) return
  const [start, commit, rollback] = isInside
    ? [
      "savepoint nested",
      "release savepoint nested",
      "rollback to savepoint nested; release savepoint nested"
    ] as const
    : [
      [
        "begin",
        ...settings === undefined ? [] : [`set local search_path to ${settings.search_path}`],
        ...role === undefined ? [] : [`set local role ${role}`]
      ].join("; "),
      "commit",
      "rollback"
    ] as const
  yield* oracle.simple(start)
  world.isInside = true
  const body = Effect.gen(function*() {
    for (const inner of operation.operations) yield* step(world, inner)
    if (!operation.succeeds) return yield* Effect.fail(new Undone())
  })
  const outcome = yield* Effect.result(session.transaction(body, options))
  world.isInside = isInside
  if (Result.isFailure(outcome) && outcome.failure instanceof Disagreement) return yield* Effect.fail(outcome.failure)
  const commits = operation.succeeds && oracle.status() === "T"
  yield* oracle.simple(commits ? commit : rollback)
  const told = (commits: boolean): Outcome => done([], [], commits ? "committed" : "rolled back")
  yield* check(world, operation, told(commits), told(Result.isSuccess(outcome)))
})

const rollback: Operation = { _tag: "Run", method: "execute", call: { text: "rollback", parameters: [] } }

type Services = Transport | Authenticate.Services

/** Runs a sequence in a new world. Nothing in it may leave a statement broken. */
const runSequence = Effect.fnUntraced(function*(
  servers: Servers,
  config: Partial<ConnectionConfig>,
  operations: ReadonlyArray<Operation>
): Effect.fn.Return<Disagreement | undefined, unknown, Services> {
  const { configs: [subject, model], others } = servers
  yield* Effect.forEach(others, (other, i) => expectDone(other.simple(setup(databases[i]!))), {
    concurrency: "unbounded"
  })
  const work = Effect.gen(function*() {
    const session = yield* Session.make({ ...subject, ...config })
    const oracle = yield* openOracle(model)
    const scope = yield* Effect.scope
    const world: World = { session, oracle, others, prepared: new Map(), scope, isInside: false }
    for (const operation of operations) yield* step(world, operation)
    if (oracle.status() !== "I") yield* step(world, rollback)
    for (const operation of allReads) yield* step(world, operation)
  })
  const outcome = yield* Effect.result(Effect.timeout(Effect.scoped(work), "60 seconds"))
  if (Result.isSuccess(outcome)) return undefined
  return outcome.failure instanceof Disagreement ? outcome.failure : yield* Effect.fail(outcome.failure)
})

/** Asserts that a statement of the test itself does not fail. */
const expectDone = (effect: ReturnType<Oracle["simple"]>) =>
  Effect.flatMap(effect, ({ error }) => (error === undefined ? Effect.void : Effect.die(error)))

interface Servers {
  readonly configs: readonly [ConnectionConfig, ConnectionConfig]
  readonly others: readonly [Oracle, Oracle]
}

/** Removes operations that are not needed to reproduce the disagreement. */
const shrink = Effect.fnUntraced(function*<E, R>(
  operations: ReadonlyArray<Operation>,
  run: (operations: ReadonlyArray<Operation>) => Effect.Effect<Disagreement | undefined, E, R>
) {
  let least = operations
  for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = least.length - size; at >= 0 && least.length > 1; at -= size) {
      const fewer = least.filter((_, i) => i < at || i >= at + size)
      if ((yield* run(fewer)) !== undefined) least = fewer
    }
  }
  return least
})

/** Runs random sequences until the time is over or one of them shows a violation. */
export const findStaleness = Effect.fnUntraced(
  function*(options: Options) {
    const { atLeast = 1, config = {}, length = 25, seconds } = options
    const allowed = new Set(options.kinds ?? kinds)
    const { endpoint, user } = yield* PostgresServer.PostgresServer
    const configs = databases.map((database) => ({ endpoint, user, database }))
    const servers = {
      configs: configs as unknown as Servers["configs"],
      others: (yield* Effect.forEach(configs, openOracle)) as unknown as Servers["others"]
    }
    const run = (operations: ReadonlyArray<Operation>) => runSequence(servers, config, operations)
    const end = performance.now() + seconds * 1000
    let sequences = 0
    let count = 0
    for (let seed = options.seed; performance.now() < end || sequences < atLeast; seed++) {
      const operations = sequence(makeRandom(seed), length, allowed)
      sequences++
      count += operations.length
      if ((yield* run(operations)) === undefined) continue
      const least = yield* shrink(operations, run)
      const { expected, found, operation } = (yield* run(least))!
      const violation: Violation = { seed, operations: least, operation, expected, found }
      return { sequences, operations: count, violation } satisfies Report as Report
    }
    return { sequences, operations: count, violation: undefined } satisfies Report as Report
  },
  Effect.scoped,
  Effect.provide(PostgresServer.layer({ authentication: "trust", databases: [...databases], setup: serverSetup }))
)

const print = (outcome: Outcome): string => JSON.stringify(outcome)

/** Formats the findings as text. */
export const format = ({ operations, sequences, violation }: Report): string =>
  violation === undefined
    ? `${sequences} sequences, ${operations} operations: no violation`
    : [
      `seed ${violation.seed}:`,
      ...violation.operations.map((operation) => `  ${JSON.stringify(operation)}`),
      `at ${JSON.stringify(violation.operation)}`,
      `expected ${print(violation.expected)}`,
      `found    ${print(violation.found)}`
    ].join("\n")
