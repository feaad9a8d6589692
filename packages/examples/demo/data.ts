/** What the demo loads: two data sets of the npm package `vega-datasets`, as streams of rows. */
import { CalendarDate } from "@hyperfect/values"
import { Effect, FileSystem, Schema, Stream } from "effect"
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

const pathOf = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.resolve("vega-datasets")))

const unreadable = (file: string) => (error: { readonly message: string }) =>
  new DataUnreadable({ file, problem: error.message })

const Flights = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ delay: Schema.Int, distance: Schema.Int, time: Schema.Finite }))
)

/** 200,000 flights: minutes of delay, miles of distance, hour of departure. */
export const flights = Effect.gen(function*() {
  const file = pathOf("flights-200k.json")
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(fs.readFileString(file), unreadable(file))
  return yield* Effect.mapError(Schema.decodeUnknownEffect(Flights)(text), unreadable(file))
})

const textOrNull = (text: string | undefined) => (text === undefined || text === "" ? null : text)
const numberOrNull = (text: string | undefined) => (text === undefined || text === "" ? null : Number(text))

const toBirdstrike = (line: string) => {
  // The file quotes nothing, so that a comma always ends a field.
  const fields = line.split(",")
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

const birdstrikesFile = pathOf("birdstrikes.csv")

/** 10,000 collisions of aircraft with animals, read as they are sent. */
export const birdstrikes = Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => fs.stream(birdstrikesFile))).pipe(
  Stream.mapError(unreadable(birdstrikesFile)),
  Stream.decodeText(),
  Stream.splitLines,
  Stream.drop(1),
  Stream.map(toBirdstrike)
)
