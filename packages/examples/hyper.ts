/**
 * The examples for Hyper that take files, as commands:
 *
 *     npm run example -- csv orders.csv orders.hyper
 *     npm run example -- postgres postgresql://me@localhost/shop orders.hyper
 *     npm run example -- parquet orders.hyper regions.parquet
 *     npm run example -- chart orders.hyper
 *     npm run example -- check orders.hyper
 *
 * The table is that of `hyper/orders.ts`: a header `id,region,total,placed` in CSV, `orders` in PostgreSQL.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Client } from "@hyperfect/client"
import { Hyper, Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { Console, Effect, Layer } from "effect"
import { Argument, Command } from "effect/cli"
import { arrowChart } from "./hyper/arrowChart.ts"
import { csvToExtract } from "./hyper/csvToExtract.ts"
import { hyperToParquet } from "./hyper/hyperToParquet.ts"
import { postgresToHyper } from "./hyper/postgresToHyper.ts"
import { explainOpening } from "./hyper/typedErrors.ts"

const extract = Argument.String("extract")

const report = Effect.flatMap((rows: number) => Console.log(`${rows} rows`))

const csv = Command.make(
  "csv",
  { file: Argument.String("csv"), extract },
  ({ extract, file }) => report(csvToExtract(file, extract))
)

const postgres = Command.make(
  "postgres",
  { url: Argument.String("url"), extract },
  ({ extract, url }) =>
    Effect.flatMap(
      Client.Client,
      (source) => postgresToHyper(source, extract, (bytes) => Console.log(`${bytes} bytes`))
    ).pipe(
      report,
      Effect.provide(Client.layerUri(url))
    )
)

const parquet = Command.make(
  "parquet",
  { extract, file: Argument.String("parquet") },
  ({ extract, file }) => report(hyperToParquet(extract, file))
)

const chart = Command.make("chart", { extract }, ({ extract }) => Hyper.withDatabase(arrowChart, { database: extract }))

const check = Command.make(
  "check",
  { extract },
  ({ extract }) => Effect.flatMap(explainOpening(extract), (line) => Console.log(line))
)

const command = Command.make("hyper").pipe(Command.withSubcommands([csv, postgres, parquet, chart, check]))

Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide([Hyperd.layer().pipe(Layer.provideMerge(NodePlatform.layer)), NodeServices.layer]),
  NodeRuntime.runMain
)
