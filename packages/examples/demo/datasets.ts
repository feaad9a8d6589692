/** The data of the demo: two data sets of the npm package `vega-datasets`, as streams of rows. */
import { CalendarDate } from "@hyperfect/values"
import { Array, Effect, FileSystem, Schema, Stream } from "effect"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The data cannot be read. */
export class DataUnreadable extends Schema.TaggedError<DataUnreadable>()("DataUnreadable", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `cannot read ${this.file}: ${this.problem}`
  }
}

/** The directory in which the package keeps its data. */
export const packageDirectory = fileURLToPath(new URL("../data/", import.meta.resolve("vega-datasets")))

const unreadable = (file: string) => (error: { readonly message: string }) =>
  new DataUnreadable({ file, problem: error.message })

const Flights = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ delay: Schema.Int, distance: Schema.Int, time: Schema.Finite }))
)

/** 200,000 flights: minutes of delay, miles of distance, hour of departure. */
export const flights = Effect.fnUntraced(function*(directory: string) {
  const file = join(directory, "flights-200k.json")
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(fs.readFileString(file), unreadable(file))
  return yield* Effect.mapError(Schema.decodeUnknownEffect(Flights)(text), unreadable(file))
})

const textOrNull = (text: string | undefined) => (text === undefined || text === "" ? null : text)
const numberOrNull = (text: string | undefined) => (text === undefined || text === "" ? null : Number(text))

const toBirdstrike = (line: string) => {
  // The file quotes no fields, so a comma always ends one.
  const fields = line.split(",")
  if (fields.length !== 14) throw new TypeError(`14 fields wanted, found ${fields.length}`)
  const [airport, aircraft, damage, date, operator, state, phase, size, species, timeOfDay, , , cost, speed] = fields
  return {
    airport: airport!,
    aircraft: textOrNull(aircraft),
    damage: textOrNull(damage),
    date: CalendarDate.fromStringUnsafe(date!),
    operator: textOrNull(operator),
    state: textOrNull(state),
    phase: textOrNull(phase),
    size: textOrNull(size),
    species: textOrNull(species),
    time_of_day: textOrNull(timeOfDay),
    cost: numberOrNull(cost),
    speed: numberOrNull(speed)
  }
}

/** 10,000 collisions of aircraft with animals, parsed while the file is read. */
export const birdstrikes = (directory: string) => {
  const file = join(directory, "birdstrikes.csv")
  return Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => fs.stream(file))).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.drop(1),
    Stream.mapArrayEffect((lines) =>
      Effect.try({ try: () => Array.map(lines, toBirdstrike), catch: (thrown) => thrown as Error })
    ),
    Stream.mapError(unreadable(file))
  )
}
