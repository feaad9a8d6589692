import { assert, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import { sql } from "@hyperfect/client/Statement"
import * as HyperExplain from "@hyperfect/hyper/HyperExplain"
import { Effect } from "effect"
import { servers } from "./servers.ts"

const namesOf = ({ inputs, operator }: HyperExplain.Operator): ReadonlyArray<string> => [
  operator,
  ...inputs.flatMap(namesOf)
]

layer(servers.hyper)("HyperExplain", (it) => {
  it.effect("returns the operators of a plan as a tree", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* client.simple("create table planned as (select i from generate_series(1, 1000) as g(i))")
      const plan = yield* HyperExplain.explain(
        sql`select count(*) from planned as a join planned as b on a.i = b.i where a.i > 10`
      )
      const names = namesOf(plan)
      assert.strictEqual(names[0], "output")
      assert.strictEqual(names.filter((name) => name === "scan").length, 2)
      assert.include(names, "group-by")
      assert.isDefined(plan.properties["statistics"])
    }))

  it.effect("H-62: returns the operators of a query that was run, with what was measured", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* client.simple("create table analyzed as (select i, i % 7 as k from generate_series(1, 1000) as g(i))")
      const plan = yield* HyperExplain.explainAnalyze(sql`select k, count(*) from analyzed where i > 10 group by k`)
      const [groupBy] = plan.inputs
      const [scan] = groupBy!.inputs
      assert.deepStrictEqual(namesOf(plan), ["output", "group-by", "scan"])
      assert.deepInclude(groupBy!.properties["statistics"], { "output-rows": 7 })
      assert.deepInclude(scan!.properties["statistics"], { "output-rows": 990, "processed-rows": 1000 })
      const changing = yield* Effect.flip(HyperExplain.explainAnalyze(sql`insert into analyzed values (0, 0)`))
      assert.strictEqual(changing._tag === "ServerError" && changing.reason.sqlState, "0A000")
      assert.deepStrictEqual((yield* client.values("select count(*) from analyzed")).rows, [[BigInt(1000)]])
      // The server refuses it without the third option, or would not need it.
      const refused = yield* Effect.flip(client.values("explain (analyze, format json) select 1"))
      assert.strictEqual(refused._tag === "ServerError" && refused.reason.sqlState, "42601")
    }))

  it.effect("fails for tables of the catalog, of which Hyper prints no plan as JSON", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(HyperExplain.explain(sql`select relname from pg_catalog.pg_class`))
      assert.strictEqual(error._tag === "ServerError" && error.reason.sqlState, "0A000")
    }))

  it.effect("fails as the query does", () =>
    Effect.gen(function*() {
      for (const explain of [HyperExplain.explain, HyperExplain.explainAnalyze]) {
        const error = yield* Effect.flip(explain(sql`select * from nowhere`))
        assert.strictEqual(error._tag === "ServerError" && error.reason.sqlState, "42P01")
      }
    }))
})
