/** Accounts whose deposits are handled one after the other, each account by one runner of a cluster at a time. */
import { NodeClusterSocket } from "@effect/platform-node"
import { NodePlatform } from "@hyperfect/node"
import { HyperSql } from "@hyperfect/sql"
import { Config, Effect, Layer, Option, Schedule, Schema } from "effect"
import { ClusterSchema, Entity, RunnerAddress } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { SqlClient } from "effect/sql"

/** A deposit. It is stored until it was handled, and has an effect once, however often it is sent. */
export const Deposit = Rpc.make("Deposit", {
  payload: { id: Schema.String, amount: Schema.Int },
  success: Schema.Struct({ balance: Schema.Int, runner: Schema.String }),
  primaryKey: ({ id }) => id
}).annotate(ClusterSchema.Persisted, true)

export const Account = Entity.make("Account", [Deposit])

/**
 * Sends a deposit and waits for its answer.
 *
 * If the database fails while the deposit is stored, it may be stored or not: it is sent again, for 20 seconds, and has its
 * effect once because its `id` is the same.
 */
export const deposit = Effect.fnUntraced(
  function*(account: string, payload: { readonly id: string; readonly amount: number }) {
    const client = yield* Account.client
    return yield* client(account).Deposit(payload).pipe(
      Effect.retry({
        while: (error) => error._tag === "PersistenceError",
        times: 100,
        schedule: Schedule.spaced("200 millis")
      })
    )
  }
)

/** The table of deposits, with the times between which each was handled. */
export const createTables = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql`create table if not exists deposits (
    account text, id text, amount int, runner text, started timestamptz, ended timestamptz, primary key (account, id)
  )`)

/**
 * Handles the deposits of the accounts that are assigned to this runner.
 *
 * A runner that was frozen goes on with its deposit when it continues, while another one has its accounts already. The
 * lock makes one wait for the other, and the time limit frees it from a runner that stays frozen.
 */
export const accounts = (runner: string) =>
  Account.toLayer(Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { entityId: account } = yield* Entity.CurrentAddress
    const handle = Effect.fnUntraced(function*({ amount, id }: { readonly amount: number; readonly id: string }) {
      yield* sql`set local idle_in_transaction_session_timeout = '3s'`
      yield* sql`select pg_advisory_xact_lock(hashtextextended(${account}, 0))`
      yield* sql`insert into deposits (account, id, amount, runner, started)
        values (${account}, ${id}, ${amount}, ${runner}, clock_timestamp()) on conflict do nothing`
      yield* sql`update deposits set ended = clock_timestamp()
        where account = ${account} and id = ${id} and ended is null`
      const [row] = yield* sql<{ balance: number }>`select sum(amount)::int as balance from deposits
        where account = ${account}`
      return { balance: row!.balance, runner }
    }, sql.withTransaction)
    return Account.of({
      Deposit: ({ payload }) =>
        handle(payload).pipe(Effect.retry({ times: 50, schedule: Schedule.spaced("200 millis") }), Effect.orDie)
    })
  }))

/** The cluster, as a runner that listens on a port, or as a client only. Its messages and locks are in the database. */
export const cluster = (port?: number) =>
  NodeClusterSocket.layer({
    storage: "sql",
    clientOnly: port === undefined,
    shardingConfig: {
      runnerAddress: port === undefined ? Option.none() : Option.some(RunnerAddress.make("127.0.0.1", port)),
      // The time until the accounts of a runner that was lost move is the sum of these at most.
      shardLockExpiration: "5 seconds",
      shardLockRefreshInterval: "1 second",
      runnerHealthCheckInterval: "2 seconds",
      refreshAssignmentsInterval: "500 millis",
      entityMessagePollInterval: "500 millis",
      entityReplyPollInterval: "200 millis",
      sendRetryInterval: "100 millis"
    }
  })

/** The database, and the services of Node.js. */
export const database = HyperSql.layerConfig(Config.Redacted("DATABASE_URL"), { max: 8 }).pipe(
  Layer.provideMerge(NodePlatform.layer)
)
