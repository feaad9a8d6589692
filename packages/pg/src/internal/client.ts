/**
 * Clients: one session each, with the interface of a client of `pg`.
 *
 * @internal
 */
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EventEmitter } from "node:events"
import types from "pg-types"
import { type ClientConfig, toConnectionConfig } from "./config.ts"
import { toNotice } from "./databaseError.ts"
import { escapeIdentifier, escapeLiteral } from "./escape.ts"
import type { QueryFunction, TypeParsers } from "./model.ts"
import { type Callback, runPromise, settle } from "./promises.ts"
import { makeQueryFunction, NamedTexts, type Request, type Result, runQuery } from "./query.ts"

/** One platform for all clients and pools: each listens to the input of the process. */
const platforms = Layer.makeMemoMapUnsafe()

/** Runs an effect with the services of Node.js, which live as long as its scope. */
export const onPlatform = <A, E>(
  effect: Effect.Effect<A, E, NodePlatform.NodePlatform | Scope.Scope>,
  scope: Scope.Closeable
): Effect.Effect<A, E> =>
  Scope.provide(
    Effect.flatMap(
      Layer.buildWithMemoMap(NodePlatform.layer, platforms, scope),
      (context) => Effect.provide(effect, context)
    ),
    scope
  )

const refuse = (feature: string) => (): never => {
  throw new TypeError(`${feature}: not supported; use the client of @hyperfect/client`)
}

/**
 * The queries, parsers and events of a session, which `Client` opens and a pool lends.
 */
export abstract class SessionClient extends EventEmitter {
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly database: string | undefined
  readonly ssl: boolean
  readonly pipeline = false
  /** The process of the server; 0 before the connection. */
  processID = 0

  readonly query: QueryFunction = makeQueryFunction((request) => this.enqueue(request)) as QueryFunction
  readonly escapeIdentifier = escapeIdentifier
  readonly escapeLiteral = escapeLiteral
  readonly copyFrom: (text: string) => never = refuse("copyFrom")
  readonly copyTo: (text: string) => never = refuse("copyTo")

  protected session: Session.Session | undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** The end of the last query. Each query is sent when the one before it has ended, as with `pg`. */
  private last: Promise<unknown> = Promise.resolve()
  private pending = 0
  private readonly named = new NamedTexts()
  private readonly parsers = new Map<string, (text: string) => unknown>()
  private readonly baseTypes: TypeParsers
  private readonly ownTypes: TypeParsers

  constructor(config: ClientConfig) {
    super()
    this.host = config.host ?? "localhost"
    this.port = Number(config.port ?? 5432)
    this.user = config.user
    this.database = config.database
    this.ssl = config.ssl !== undefined && config.ssl !== false
    this.baseTypes = config.types ?? types
    this.ownTypes = { getTypeParser: this.getTypeParser }
  }

  /** The connection below, which has no interface like that of `pg`. */
  get connection(): never {
    return refuse("connection")()
  }

  /** Sets the parser of a type for the results of this client. */
  readonly setTypeParser = ((oid: number, ...rest: ReadonlyArray<unknown>): void => {
    const parse = rest.at(-1) as (text: string) => unknown
    this.parsers.set(`${oid} ${rest.length > 1 ? String(rest[0]) : "text"}`, parse)
  }) as typeof types.setTypeParser

  /** Returns the parser of a type for the results of this client. */
  readonly getTypeParser =
    ((oid: number, format: "text" = "text") =>
      this.parsers.get(`${oid} ${format}`) ?? this.baseTypes.getTypeParser(oid, format)) as typeof types.getTypeParser

  /** Returns the transaction status that the server reported last; `null` before the connection. */
  getTransactionStatus(): "I" | "T" | "E" | null {
    return this.session?.transactionStatus() ?? null
  }

  /** Does nothing: there is no queue of writes to hold back. */
  pauseDrain(): void {}

  /** Does nothing, as {@link pauseDrain}. */
  resumeDrain(): void {}

  /** The reason why no query is accepted now. */
  protected abstract readonly refusal: Error | undefined

  /** Returns the session of a query that was accepted. */
  protected abstract opened(): Session.Session | Promise<Session.Session>

  private enqueue(request: Request): Promise<Result> {
    const { refusal } = this
    this.pending++
    const result = this.last.then(async () => {
      if (refusal !== undefined) throw refusal
      const session = await this.opened()
      return runPromise(runQuery(session, this.named.textOf(request), request, this.ownTypes), (fiber) => {
        this.fiber = fiber
      })
    })
    this.last = result.then(() => this.onDone(), () => this.onDone())
    return result
  }

  private onDone(): void {
    this.pending--
    // Behind the callback, or the event, of the query, which may add another one.
    setImmediate(() => {
      if (this.pending === 0) this.emit("drain")
    })
  }

  /** Returns when the queries before have ended. With `cancel`, the one that runs is cancelled. */
  protected async idle(cancel = false): Promise<void> {
    if (cancel) this.fiber?.interruptUnsafe()
    await this.last
  }

  /** Emits an event outside of the fiber, so that exceptions of listeners are uncaught exceptions. */
  protected emitLater(event: string, ...values: ReadonlyArray<unknown>): void {
    queueMicrotask(() => this.emit(event, ...values))
  }

  /** Emits what the session reports, and its end. */
  protected attach(session: Session.Session): void {
    this.session = session
    this.processID = session.processId ?? 0
    const notifications = Stream.runForEach(
      session.notifications,
      ({ channel, payload, processId }) =>
        Effect.sync(() => this.emitLater("notification", { name: "notification", processId, channel, payload }))
    )
    const notices = Stream.runForEach(
      session.notices,
      ({ fields }) => Effect.sync(() => this.emitLater("notice", toNotice(fields)))
    )
    Effect.runFork(notifications)
    Effect.runFork(Effect.andThen(notices, Effect.sync(() => this.onSessionEnd())))
  }

  /** Emits the end behind the errors of the queries that it failed. */
  protected onSessionEnd(): void {
    void this.last.then(() => setImmediate(() => this.emit("end")))
  }

  /** Emits an error, if there is a listener: without one, an event of this name would end the process. */
  protected emitError(error: unknown): void {
    queueMicrotask(() => {
      if (this.listenerCount("error") > 0) this.emit("error", error)
    })
  }
}

/**
 * A client: one connection to a server.
 *
 * **Details**
 *
 * Queries run one after the other, in the order of their calls; those before `connect` wait for it. The events are
 * `connect`, `end`, `error`, `notice`, `notification` and `drain`.
 *
 * **Gotchas**
 *
 * An `error` without a listener does not end the process: queries fail with the reason.
 *
 * **Example** (A query)
 *
 * ```ts
 * import { Pg } from "@hyperfect/pg"
 *
 * export const late = async (delay: number) => {
 *   const client = new Pg.Client({ connectionString: "postgresql://app@db.example/shop" })
 *   await client.connect()
 *   const { rows } = await client.query("select id, email from users where delay > $1", [delay])
 *   await client.end()
 *   return rows
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Client extends SessionClient {
  /** Private to the runtime, so that it is not printed with the client. */
  readonly #config: ClientConfig
  private readonly scope = Scope.makeUnsafe()
  private readonly opening = Promise.withResolvers<Session.Session>()
  private state: "new" | "connecting" | "connected" | "ending" | "lost" = "new"

  constructor(config: string | ClientConfig = {}) {
    const options = typeof config === "string" ? { connectionString: config } : config
    super(options)
    this.#config = options
    this.opening.promise.catch(() => {
      // Reported by connect.
    })
  }

  /** Connects. A client connects once. */
  connect(): Promise<this>
  connect(callback: Callback<this>): void
  connect(callback?: Callback<this>): unknown {
    return settle(() => this.open(), callback)
  }

  /** Disconnects. The query that runs fails, and so do those behind it. */
  end(): Promise<void>
  end(callback: (error: Error) => void): void
  end(callback?: Callback<void>): unknown {
    return settle(() => this.close(), callback)
  }

  private async open(): Promise<this> {
    if (this.state !== "new") throw new Error("this client has been connected before: make another one")
    this.state = "connecting"
    const session = Effect.flatMap(toConnectionConfig(this.#config), Session.make)
    try {
      const found = await runPromise(onPlatform(session, this.scope))
      this.attach(found)
      if (this.state === "connecting") this.state = "connected"
      this.opening.resolve(found)
    } catch (error) {
      this.opening.reject(error)
      await runPromise(Scope.close(this.scope, Exit.void))
      throw error
    }
    this.emitLater("connect")
    return this
  }

  private async close(): Promise<void> {
    const { state } = this
    this.state = "ending"
    if (state === "new") this.opening.reject(new Error("Connection terminated"))
    await runPromise(Scope.close(this.scope, Exit.void))
    if (state === "new") this.emitLater("end")
  }

  protected override get refusal(): Error | undefined {
    return this.state === "ending" ? new Error("Client was closed and is not queryable") : undefined
  }

  protected override opened(): Promise<Session.Session> {
    return this.opening.promise
  }

  protected override onSessionEnd(): void {
    if (this.state !== "ending") {
      this.state = "lost"
      this.emitError(new Error("Connection terminated unexpectedly"))
    }
    super.onSessionEnd()
  }
}
