/**
 * Starts a Hyper server, logs in, loads two data sets into a new `.hyper` file and asks questions about them.
 *
 * Run: npm run demo [-- --postgres | -- --url postgresql://user:password@host:port/database]
 */
import { NodeRuntime } from "@effect/platform-node"
import { Client, Query, Statement } from "@hyperfect/client"
import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Console, Effect, Layer, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { resolve } from "node:path"
import { birdstrikes, flights } from "./demo/data.ts"
import { bars, facts, heading, loaded, progress, table } from "./demo/screen.ts"

const { sql } = Statement
const { NullOr } = Schema

const Flight = HyperTable.make("flights", {
  delay: HyperTable.Int, // integer NOT NULL
  distance: HyperTable.Int,
  time: HyperTable.Double
})

const Birdstrike = HyperTable.make("birdstrikes", {
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
})

const load = Effect.gen(function*() {
  yield* heading("Loading")
  yield* Effect.forEach([Flight, Birdstrike], (table) => Effect.andThen(table.dropIfExists, table.create))
  const rows = yield* flights
  yield* loaded("flights", yield* Flight.insert(rows, { onProgress: progress("flights", rows.length) }))
  yield* loaded("birdstrikes", yield* Birdstrike.insert(birdstrikes, { onProgress: progress("birdstrikes", 10_000) }))
})

const ask = Effect.gen(function*() {
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

const demo = (where: string) =>
  Effect.gen(function*() {
    const started = performance.now()
    const { authentication, server } = yield* Client.Client
    yield* heading("Connected")
    yield* facts({
      server: `${server.kind === "hyper" ? "Hyper" : "PostgreSQL"} ${server.version}`,
      "logged in by": authentication
    })
    yield* load
    yield* ask
    yield* heading("Done")
    yield* facts({ "in all": `${((performance.now() - started) / 1000).toFixed(2)} s`, "the data": where })
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
  url: Flag.String("url").pipe(Flag.optional, Flag.withDescription("with the server of a connection URI"))
}

const chosen = ({ postgres, url }: { readonly postgres: boolean; readonly url: Option.Option<string> }) =>
  Effect.gen(function*() {
    if (Option.isSome(url)) {
      const there = "on that server, in the tables flights and birdstrikes"
      return yield* Effect.provide(demo(there), Client.layerUri(url.value))
    }
    return postgres
      ? yield* Effect.provide(demo("on a server that is gone with this program"), onPostgres)
      : yield* Effect.provide(demo(database), onHyper)
  })

const command = Command.make("demo", flags, (choice) =>
  // Whatever goes wrong, a user wants one line, and a shell wants to know.
  Effect.tapError(chosen(choice), (error) => Console.error(`demo: ${error.message}`)))

Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide(NodePlatform.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
