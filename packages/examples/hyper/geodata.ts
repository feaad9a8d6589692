/** Geodata: places from well-known text, and their distances from a point, which the server computes. */
import { Client, Query, Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { Effect, Schema } from "effect"

const { sql } = Statement

const Place = HyperTable.make("places", { name: HyperTable.Text, at: HyperTable.GeographyText }, { temporary: true })

const Distance = Schema.Struct({ name: Schema.String, kilometres: Schema.Number })

/** Returns the places, the nearest first. Text that is no geography is refused with the row and the column. */
export const distancesFrom = Effect.fnUntraced(function*(
  [longitude, latitude]: readonly [number, number],
  places: Iterable<typeof Place.Row.Type>
) {
  const client = yield* Client.Client
  yield* Place.create
  yield* Place.insert(places)
  return yield* client.query(sql`
    select name, tableau.geo_distance(at, tableau.geo_make_point(${latitude}, ${longitude}), 'km') as kilometres
    from ${Place} order by kilometres
  `).pipe(Query.rows(Distance))
})
