/**
 * Logical replication: the changes of a database as a stream, from a replication slot.
 *
 * The server must run with `wal_level=logical`, and the user must have the attribute `REPLICATION`. The output of the
 * decoding plugin is returned as bytes.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Literal from "@hyperfect/values/Literal"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import { openSession } from "./internal/client/openSession.ts"
import { toMillis } from "./internal/config/durations.ts"
import { type Event, makeReplication, type Replication } from "./internal/replication/startReplication.ts"
import { refuse, trySync } from "./internal/session/queryError.ts"
import type { QueryError } from "./QueryError.ts"
import type * as Session from "./Session.ts"
import { identifier } from "./Statement.ts"

export type { Data, Event, Keepalive, Replication } from "./internal/replication/startReplication.ts"

/**
 * The slot to replicate from, and options of the replication.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly slot: string
  /** Creates the slot for the duration of the replication. Otherwise it must exist. */
  readonly temporary?: boolean | undefined
  /** The decoding plugin of a slot that is created; `pgoutput` when absent. */
  readonly plugin?: string | undefined
  /** Options of the plugin, such as `{ proto_version: "1", publication_names: "orders" }`. */
  readonly options?: Readonly<Record<string, string>> | undefined
  /** The position (LSN) to begin at, if it is after the one confirmed for the slot. */
  readonly start?: bigint | undefined
}

type Services = Transport | Authenticate.Services

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
  const slotOptions = Object.entries(options).map(([name, value]) => `${identifier(name).text} ${Literal.quote(value)}`)
  return `START_REPLICATION SLOT ${identifier(slot).text} LOGICAL ${formatLsn(start)}` +
    (slotOptions.length === 0 ? "" : ` (${slotOptions.join(", ")})`)
}

/** Opens a session that accepts replication commands, and otherwise the simple protocol only. */
const openWalSender = Effect.fnUntraced(function*(config: ConnectionConfig, command: string) {
  const opened = yield* openSession({ ...config, parameters: { ...config.parameters, replication: "database" } })
  const { dialect } = opened.session.server
  return dialect.replication ? opened : yield* refuse(dialect, "logical replication", command)
})

/** Runs a command in a session of its own. */
const runCommand = (config: ConnectionConfig, makeCommand: () => string) =>
  Effect.scoped(Effect.gen(function*() {
    const command = makeCommand()
    const { session } = yield* openWalSender(config, command)
    return yield* session.simple(command)
  }))

/**
 * Creates a slot, and returns the log position (LSN) from which it is complete.
 *
 * **Gotchas**
 *
 * Until the slot is dropped, the server retains all log that has not been confirmed for it.
 *
 * @category slots
 * @since 0.1.0
 */
export const createSlot = (
  config: ConnectionConfig,
  options: Pick<Options, "slot" | "plugin">
): Effect.Effect<bigint, Session.ConnectError | QueryError, Services> =>
  Effect.map(
    runCommand(config, () => createCommand(options)),
    ([result]) => parseLsn(String(result?.rows[0]?.["consistent_point"]))
  )

/**
 * Drops a slot that is not in use.
 *
 * @category slots
 * @since 0.1.0
 */
export const dropSlot = (
  config: ConnectionConfig,
  slot: string
): Effect.Effect<void, Session.ConnectError | QueryError, Services> =>
  Effect.asVoid(runCommand(config, () => `DROP_REPLICATION_SLOT ${identifier(slot).text}`))

/**
 * The maximum interval of status updates, in milliseconds; the server or the configuration may require a shorter one.
 */
const maxStatusInterval = 10_000

const walSenderTimeoutQuery = "select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout'"

/**
 * Opens a session for replication from a slot. It ends with the scope.
 *
 * **Details**
 *
 * Requests of the server for a reply are answered at once. Status updates are sent every ten seconds (more often if
 * `wal_sender_timeout` or the configuration's `silenceTimeout` requires it), even while the consumer is busy. Only what
 * the consumer has confirmed is confirmed to the server.
 *
 * **Gotchas**
 *
 * After a lost connection, everything that was not confirmed is sent again: a consumer must tolerate seeing a
 * transaction twice.
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
    const command = yield* trySync("START_REPLICATION", () => startCommand(options))
    const { runner, session } = yield* openWalSender(config, command)
    const [result] = yield* session.simple(walSenderTimeoutQuery)
    const limits = [Number(result?.rows[0]?.["setting"]) / 3, toMillis(config.silenceTimeout ?? 0) / 2]
    const interval = Math.min(maxStatusInterval, ...limits.filter((milliseconds) => milliseconds > 0))
    if (options.temporary === true) yield* session.simple(createCommand(options))
    const detach = Effect.runForkWith(yield* Effect.context<never>())
    return makeReplication(runner.engine, detach, interval, command)
  }
)

/**
 * Streams the changes of a slot in a session of their own, without confirming progress, for observers.
 *
 * @see {@link open} for a consumer that confirms what it has processed
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = (
  config: ConnectionConfig,
  options: Options
): Stream.Stream<Event, Session.ConnectError | QueryError, Services> =>
  Stream.unwrap(Effect.map(open(config, options), ({ changes }) => changes))
