/**
 * Starts a Hyper server, logs in, loads two data sets into a new `.hyper` file and queries them.
 *
 * Run: npm run demo [-- --postgres | -- --url postgresql://user:password@host:port/database]
 *
 * On the server of a URI the tables are temporary: nothing there is modified or left behind.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Client, Query, Statement } from "@hyperfect/client"
import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Console, Effect, Layer, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { resolve } from "node:path"
import { birdstrikes, flights, packageDirectory } from "./demo/datasets.ts"
import { bars, heading, keyValues, loadSummary, progress, table } from "./demo/output.ts"

const { sql } = Statement
const { NullOr } = Schema

const tables = (options: HyperTable.Options) => ({
  Flight: HyperTable.make("flights", {
    delay: HyperTable.Int, // integer NOT NULL
    distance: HyperTable.Int,
    time: HyperTable.Double
  }, options),
  Birdstrike: HyperTable.make("birdstrikes", {
    airport: HyperTable.Text,
    aircraft: NullOr(HyperTable.Text), // text
    damage: NullOr(HyperTable.Text),
    date: HyperTable.Date,
    operator: NullOr(HyperTable.Text),
    state: NullOr(HyperTable.Text),
    phase: NullOr(HyperTable.Text),
    size: NullOr(HyperTable.Text),
    species: NullOr(HyperTable.Text),
    time_of_day: NullOr(HyperTable.Text),
    cost: NullOr(HyperTable.Int),
    speed: NullOr(HyperTable.Int)
  }, options)
})

type Tables = ReturnType<typeof tables>

const load = Effect.fnUntraced(function*({ Birdstrike, Flight }: Tables, data: string) {
  yield* heading("Loading")
  yield* Flight.create
  yield* Birdstrike.create
  const rows = yield* flights(data)
  yield* loadSummary("flights", yield* Flight.insert(rows, { onProgress: progress("flights", rows.length) }))
  const strikes = Birdstrike.insert(birdstrikes(data), { onProgress: progress("birdstrikes", 10_000) })
  yield* loadSummary("birdstrikes", yield* strikes)
})

const runQueries = Effect.fnUntraced(function*({ Birdstrike, Flight }: Tables) {
  const client = yield* Client.Client

  yield* heading("Average delay of long flights by hour of departure")
  const ByHour = Schema.Struct({ hour: Schema.Int, delay: Schema.Number })
  const hours = yield* client.query(sql`
    select cast(floor(time) as integer) as hour, avg(cast(delay as double precision)) as delay
    from ${Flight} where distance > ${1000} and time >= ${6} group by 1 order by 1
  `).pipe(Query.rows(ByHour))
  yield* bars(hours.map(({ delay, hour }) => [`${hour}:00`, delay]))

  yield* heading("The most expensive large species")
  yield* table(
    (yield* client.query(sql`
      select species, count(*) as strikes, sum(cost) as dollars, min(date) as since
      from ${Birdstrike} where cost > ${0} and size = ${"Large"} and species not like 'Unknown%'
      group by species order by dollars desc limit 5
    `)).rows
  )

  yield* heading("Where it happens, at night")
  yield* table(
    (yield* client.query(sql`
      select phase, count(*) as strikes, avg(cast(speed as double precision)) as knots, max(cost) as worst
      from ${Birdstrike} where time_of_day = ${"Night"} and phase is not null group by phase order by strikes desc limit 5
    `)).rows
  )

  yield* heading("An error, caught by its tag")
  const caught = yield* client.query(sql`select wingspan from ${Birdstrike}`).pipe(
    Effect.as("there is such a column"),
    Effect.catchReason(
      "ServerError",
      "UndefinedColumn",
      ({ message, sqlState }) => Effect.succeed(`UndefinedColumn (${sqlState}): ${message}`)
    )
  )
  yield* Console.log(`  ${caught}`)
})

interface DemoOptions {
  /** The location of the data after the demo. */
  readonly where: string
  readonly data: string
  readonly temporary?: boolean
}

const demo = Effect.fnUntraced(function*({ data, temporary, where }: DemoOptions) {
  const started = performance.now()
  const { authentication, server } = yield* Client.Client
  yield* heading("Connected")
  yield* keyValues({
    server: `${server.kind === "hyper" ? "Hyper" : "PostgreSQL"} ${server.version}`,
    "logged in by": authentication
  })
  const made = tables({ temporary })
  yield* load(made, data)
  yield* runQueries(made)
  yield* heading("Done")
  yield* keyValues({ "in all": `${((performance.now() - started) / 1000).toFixed(2)} s`, "the data": where })
})

const database = resolve("demo.hyper")
const password = Redacted.make("correct horse battery staple")

const onHyper = Hyper.layer({ database, create: "replace" }).pipe(
  Layer.provide(Hyperd.layer({ user: "demo", password }))
)

const onPostgres = Layer.unwrap(Effect.map(PostgresServer.PostgresServer, Client.layer)).pipe(
  Layer.provide(PostgresServer.layer())
)

const flags = {
  postgres: Flag.Boolean("postgres").pipe(
    Flag.withDefault(false),
    Flag.withDescription("with a PostgreSQL server instead of Hyper")
  ),
  url: Flag.String("url").pipe(Flag.optional, Flag.withDescription("with the server of a connection URI")),
  data: Flag.String("data").pipe(
    Flag.withDefault(packageDirectory),
    Flag.withDescription("the directory of the data files")
  )
}

const command = Command.make("demo", flags, ({ data, postgres, url }) => {
  const run: Effect.Effect<void, Error, NodePlatform.NodePlatform> = Option.isSome(url)
    ? Effect.provide(
      demo({ where: "in temporary tables, which are gone", data, temporary: true }),
      Client.layerUri(url.value)
    )
    : postgres
    ? Effect.provide(demo({ where: "on a server that is gone with this program", data }), onPostgres)
    : Effect.provide(demo({ where: database, data }), onHyper)
  // Prints any error in one line; the exit code reports it to the shell.
  return Effect.tapError(run, (error) => Console.error(`demo: ${error.message.split("\n")[0]}`))
})

Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide([NodePlatform.layer, NodeServices.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
