/**
 * Logical replication: the changes of a database as a stream, from a replication slot.
 *
 * The server must run with `wal_level=logical`, and the user must have the attribute `REPLICATION`. What a decoding plugin
 * makes of a change is handed out as the bytes that they are.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import { fail } from "./internal/circumstances.ts"
import { engineOf } from "./internal/engine.ts"
import { type Event, type Replication, replication } from "./internal/replication.ts"
import { type QueryError, UnsupportedError } from "./QueryError.ts"
import * as Session from "./Session.ts"
import { identifier } from "./Statement.ts"

export type { Data, Event, Keepalive, Replication } from "./internal/replication.ts"

/**
 * Which slot to replicate from, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly slot: string
  /** Makes the slot, which ends with the replication. Otherwise it must be there. */
  readonly temporary?: boolean | undefined
  /** The decoding plugin of the slot that is made; `pgoutput` when absent. */
  readonly plugin?: string | undefined
  /** What the plugin is told, such as `{ proto_version: "1", publication_names: "orders" }`. */
  readonly options?: Readonly<Record<string, string>> | undefined
  /** Where to begin, if that is behind what has been confirmed for the slot. */
  readonly start?: bigint | undefined
}

type Services = Transport | Authenticate.Services

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

const formatLsn = (lsn: bigint): string =>
  `${(lsn >> BigInt(32)).toString(16)}/${BigInt.asUintN(32, lsn).toString(16)}`.toUpperCase()

const parseLsn = (text: string): bigint => {
  const [high, low] = text.split("/")
  return (BigInt(`0x${high}`) << BigInt(32)) + BigInt(`0x${low}`)
}

const createCommand = ({ plugin = "pgoutput", slot, temporary }: Omit<Options, "options" | "start">): string =>
  `CREATE_REPLICATION_SLOT ${identifier(slot).text}${temporary === true ? " TEMPORARY" : ""} LOGICAL ` +
  `${identifier(plugin).text} NOEXPORT_SNAPSHOT`

const startCommand = ({ options = {}, slot, start = BigInt(0) }: Options): string => {
  const told = Object.entries(options).map(([name, value]) => `${identifier(name).text} ${literal(value)}`)
  return `START_REPLICATION SLOT ${identifier(slot).text} LOGICAL ${formatLsn(start)}` +
    (told.length === 0 ? "" : ` (${told.join(", ")})`)
}

/** A session that takes the commands of replication, and otherwise the simple protocol only. */
const walSender = Effect.fnUntraced(function*(config: ConnectionConfig, command: string) {
  const session = yield* Session.make({ ...config, parameters: { ...config.parameters, replication: "database" } })
  if (session.server.kind === "postgres") return session
  return yield* fail(new UnsupportedError({ feature: "logical replication", server: "hyper" }), "nothing", command)
})

/**
 * Makes a slot, and returns the place in the server's log from which on it has everything.
 *
 * **Gotchas**
 *
 * Until it is dropped the server keeps all of its log that the slot has not confirmed.
 *
 * @category slots
 * @since 0.1.0
 */
export const createSlot = (
  config: ConnectionConfig,
  options: Pick<Options, "slot" | "plugin">
): Effect.Effect<bigint, Session.ConnectError | QueryError, Services> =>
  Effect.scoped(Effect.gen(function*() {
    const command = createCommand(options)
    const session = yield* walSender(config, command)
    const [result] = yield* session.simple(command)
    return parseLsn(String(result?.rows[0]?.["consistent_point"]))
  }))

/**
 * Drops a slot that nobody replicates from at the moment.
 *
 * @category slots
 * @since 0.1.0
 */
export const dropSlot = (
  config: ConnectionConfig,
  slot: string
): Effect.Effect<void, Session.ConnectError | QueryError, Services> =>
  Effect.scoped(Effect.gen(function*() {
    const command = `DROP_REPLICATION_SLOT ${identifier(slot).text}`
    const session = yield* walSender(config, command)
    yield* session.simple(command)
  }))

/** How often the server is told how far we are, unless it or the configuration is less patient. */
const longestInterval = 10_000

const patience = "select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout'"

/**
 * Opens a session to replicate from a slot. It ends with the scope.
 *
 * **Details**
 *
 * What the server wants to know is answered at once, and told every ten seconds (more often where `wal_sender_timeout` or
 * the configuration's `silenceTimeout` asks for it), also while the consumer is busy. Nothing is confirmed but what the
 * consumer has confirmed.
 *
 * **Gotchas**
 *
 * After a loss everything comes again that was not confirmed: a consumer must be able to see a transaction twice.
 *
 * **Example** (Following a publication)
 *
 * ```ts
 * import { type ConnectionConfig, Replication } from "@hyperfect/client"
 * import { Effect, Stream } from "effect"
 *
 * const follow = (config: ConnectionConfig.ConnectionConfig, apply: (data: Uint8Array) => Effect.Effect<void>) =>
 *   Effect.scoped(Effect.gen(function*() {
 *     const { changes, confirm } = yield* Replication.open(config, {
 *       slot: "orders",
 *       options: { proto_version: "1", publication_names: "orders" }
 *     })
 *     yield* Stream.runForEach(changes, (event) =>
 *       Effect.andThen(event._tag === "Data" ? apply(event.data) : Effect.void, confirm(event.end)))
 *   }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const open: (
  config: ConnectionConfig,
  options: Options
) => Effect.Effect<Replication, Session.ConnectError | QueryError, Services | Scope.Scope> = Effect.fnUntraced(
  function*(config: ConnectionConfig, options: Options) {
    const command = startCommand(options)
    const session = yield* walSender(config, command)
    const [result] = yield* session.simple(patience)
    const limits = [Number(result?.rows[0]?.["setting"]) / 3, (config.silenceTimeout ?? 0) / 2]
    const interval = Math.min(longestInterval, ...limits.filter((milliseconds) => milliseconds > 0))
    if (options.temporary === true) yield* session.simple(createCommand(options))
    const detach = Effect.runForkWith(yield* Effect.context<never>())
    return replication(engineOf.get(session)!, detach, interval, command)
  }
)

/**
 * The changes of a slot, in a session of their own, without a word on how far they are done with: for those who look on.
 *
 * @see {@link open} for a consumer that must not miss anything
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = (
  config: ConnectionConfig,
  options: Options
): Stream.Stream<Event, Session.ConnectError | QueryError, Services> =>
  Stream.unwrap(Effect.map(open(config, options), ({ changes }) => changes))
