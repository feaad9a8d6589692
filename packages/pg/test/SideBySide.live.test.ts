/** The same programs on `pg` and on this package: equal results and errors, but for exceptions. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, Layer } from "effect"
import type pg from "pg"
import { type drivers, layerServer, makeClient, makePool } from "./servers.ts"

type Driver = keyof typeof drivers

const errorFields = [
  "code",
  "severity",
  "detail",
  "hint",
  "position",
  "schema",
  "table",
  "column",
  "dataType",
  "constraint",
  "where",
  "internalPosition",
  "internalQuery"
] as const

/** Results and errors as plain values. The message counts for errors of the server only. */
const plain = (value: unknown): unknown => {
  if (value instanceof Error) {
    const error = value as Error & Record<string, unknown>
    const isOfServer = typeof error["severity"] === "string"
    return isOfServer ? [error.message, ...errorFields.map((name) => error[name])] : "an error of the driver"
  }
  if (Buffer.isBuffer(value)) return `Buffer ${value.toString("hex")}`
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  if ("rows" in value && "command" in value) {
    const { command, fields, oid, rowCount, rows } = value as pg.QueryResult
    return plain({
      result: command,
      rowCount,
      oid,
      rows,
      fields: fields.map((field) => ({ ...field, tableID: field.tableID > 0 }))
    })
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

const outcomeOf = Effect.fnUntraced(function*(run: () => Promise<unknown>) {
  const exit = yield* Effect.exit(Effect.tryPromise({ try: run, catch: (error) => error }))
  return Exit.isSuccess(exit) ? { value: plain(exit.value) } : { error: plain(yield* Effect.flip(exit)) }
})

/** One client of each driver, for programs that leave nothing behind. */
class Shared extends Context.Service<Shared, Readonly<Record<Driver, pg.Client>>>()("test/Shared") {
  static readonly layer = Layer.effect(this, Effect.all({ hyperfect: makeClient("hyperfect"), pg: makeClient("pg") }))
}

type OnClient = (client: pg.Client) => Promise<unknown>
type OnPool = (pool: pg.Pool) => Promise<unknown>

const observeShared = (driver: Driver, program: OnClient) =>
  Effect.flatMap(Shared, (clients) => outcomeOf(() => program(clients[driver])))

const observeClient = Effect.fnUntraced(function*(driver: Driver, program: OnClient) {
  const client = yield* makeClient(driver)
  return yield* outcomeOf(async () => {
    await client.query("create temporary table item (id int primary key, name text not null, price numeric, at date)")
    return program(client)
  })
}, Effect.scoped)

const observePool = Effect.fnUntraced(function*(driver: Driver, program: OnPool) {
  const pool = yield* makePool(driver, { max: 3 })
  return yield* outcomeOf(() => program(pool))
}, Effect.scoped)

/** A parameter of a type, read back as its text and as its value. */
const roundTrip = (value: unknown, type: string): OnClient => (client) =>
  client.query(`select $1::${type} as value, $1::${type}::text as text`, [value])

const select = (sql: string): OnClient => (client) => client.query(`select ${sql}`)

const values: Readonly<Record<string, OnClient>> = {
  numbers: select(
    "1::int2 as a, 2 as b, 3::int8 as c, 4.50::numeric as d, 1.5::float4 as e, 0.1::float8 as f, 7::oid g"
  ),
  specials: select("'NaN'::float8 as a, '-Infinity'::float8 as b, 'NaN'::numeric as c, '-0'::float8 as d"),
  texts: select(
    "'x' as a, 'y'::text as b, 'z'::varchar(3) as c, 'w'::char(3) as d, 'n'::name as e, '1'::\"char\" as f"
  ),
  bytes: select("'\\x0001ff'::bytea as a, array['\\x01'::bytea, null] as b"),
  dates: select("'2024-01-02'::date as a, '2024-01-02 03:04:05.678901'::timestamp as b, 'infinity'::timestamp as c"),
  "dates with time zones": select(
    "'2024-07-02 03:04:05Z'::timestamptz as a, '0044-03-15 BC'::date as b, '-infinity'::date c"
  ),
  times: select("'03:04:05.5'::time as a, '03:04:05+02'::timetz as b"),
  intervals: select(
    "'1 year 2 mons -3 days 04:05:06.789'::interval as a, '0'::interval as b, array['1 day'::interval] as c"
  ),
  documents: select(`'{"a":[1,null]}'::json as a, '"x"'::jsonb as b, 'null'::jsonb as c, array['{"a":1}'::jsonb] as d`),
  arrays: select(
    `'{1,NULL}'::int4[] as a, '{{a,"b,c"},{NULL,"\\""}}'::text[] as b, '{}'::int8[] as c, '{1.5}'::float8[] as d`
  ),
  "more arrays": select("'{1.50}'::numeric[] a, '{t,f}'::bool[] b, '{2024-01-02}'::date[] c, '[0:1]={1,2}'::int4[] d"),
  geometry: select(
    "'(1,2)'::point as a, '<(1,2),3>'::circle as b, '(1,2),(3,4)'::box as c, array['(1,2)'::point] as d"
  ),
  networks: select(
    "'10.0.0.1'::inet as a, '10.0.0.0/8'::cidr as b, '08:00:2b:01:02:03'::macaddr as c, '{10.0.0.1}'::inet[] d"
  ),
  others: select(
    "gen_random_uuid() is not null as a, '$1.50'::money as b, b'101'::bit(3) as c, 'a b'::tsvector as d, 1::xid e"
  ),
  ranges: select("'[1,5)'::int4range as a, '{[1,2)}'::int4multirange as b, array['[1,5)'::int4range] as c"),
  records: select("row(1,'a',null) as a, array[row(1,2)] as b"),
  names: select("'pg_class'::regclass as a, 'int4'::regtype as b, '{pg_class}'::regclass[] as c, '0/1'::pg_lsn as d"),
  nothing: select("null as a, null::int4 as b, null::jsonb as c, null::int4[] as d, array[null::int4] as e"),
  "columns of one name": select("1 as a, 2 as a, 3 as b"),
  "columns of odd names": select("1 as \"__proto__\", 2 as \"2\", 3 as \"1\", 4 as \"\u00e9\""),
  "no columns": select("")
}

const day = new Date(2024, 0, 2, 3, 4, 5, 678)

const parameters: Readonly<Record<string, OnClient>> = {
  "an integer": roundTrip(7, "int4"),
  "a fraction": roundTrip(1.5, "numeric"),
  "a bigint": roundTrip(9007199254740993n, "int8"),
  "a number for a text": roundTrip(5, "text"),
  "a boolean": roundTrip(true, "bool"),
  "a boolean for a text": roundTrip(false, "text"),
  "null": roundTrip(null, "int4"),
  "undefined": roundTrip(undefined, "text"),
  "a text": roundTrip("a'b\\c\u00e9\u{1f600}", "text"),
  "a text for a number": roundTrip("12", "int8"),
  "a text for a document": roundTrip("{\"a\":1}", "jsonb"),
  "a date with its time zone": roundTrip(day, "timestamptz"),
  "a date without": roundTrip(day, "timestamp"),
  "a day": roundTrip(day, "date"),
  "a date before the common era": roundTrip(new Date(Date.UTC(-43, 2, 15)), "timestamptz"),
  "a date of summer": roundTrip(new Date(2024, 6, 1), "timestamptz"),
  "an object": roundTrip({ a: [1, { b: null }] }, "jsonb"),
  "an object without JSON": roundTrip({ toJSON: () => undefined }, "text"),
  "an object for a text": roundTrip({ a: 1 }, "text"),
  "an array": roundTrip([1, null, 3], "int4[]"),
  "an array of texts": roundTrip(["a", "b,\"c\"", "NULL", "", "\\"], "text[]"),
  "nested arrays": roundTrip([[1, 2], [3, 4]], "int4[]"),
  "an array of dates": roundTrip([day], "timestamptz[]"),
  "an array of objects": roundTrip([{ a: 1 }], "jsonb[]"),
  "an array of bytes": roundTrip([Buffer.from([1, 255])], "bytea[]"),
  "an empty array": roundTrip([], "text[]"),
  "bytes": roundTrip(Buffer.from([0, 1, 255]), "bytea"),
  "a typed array": roundTrip(new Uint8Array([9, 1, 2]).subarray(1), "bytea"),
  "words": roundTrip(new Uint16Array([258]), "bytea"),
  "toPostgres": roundTrip({ toPostgres: () => [1, 2] }, "int4[]"),
  "toPostgres with the function": roundTrip(
    { toPostgres: (prepare: (v: unknown) => string) => `[${prepare(1)},5)` },
    "int4range"
  ),
  "an array for a document, which is one of the server": roundTrip([1, 2], "jsonb"),
  "a text that is no number": roundTrip("x", "int4"),
  "too few values": (client) => client.query("select $1::int4, $2::int4", [1]).catch(() => "refused"),
  "too many values": (client) => client.query("select $1::int4", [1, 2]).catch(() => "refused"),
  "a type that cannot be inferred": (client) => client.query("select $1", ["x"]),
  "a value twice": (client) => client.query("select $1::int4 + $1 as a", [4])
}

const queries: Readonly<Record<string, OnClient>> = {
  "drain comes after the queries that callbacks add": (client) =>
    new Promise((resolve) => {
      const events: Array<string> = []
      client.on("drain", () => resolve([...events, "drain"]))
      client.query("select * from missing", (error) => {
        events.push((error as Error & { readonly code: string }).code)
        client.query("select 1", () => events.push("another"))
      })
    }),
  "a column of a table": async (client) => {
    await client.query("insert into item values (1, 'a', 1.50, '2024-01-02')")
    const { fields, rows } = await client.query("select id, price from item")
    return [rows, fields.map(({ columnID, dataTypeID, dataTypeModifier }) => [columnID, dataTypeID, dataTypeModifier])]
  },
  "types of a user": async (client) => {
    await client.query("create type pg_temp.mood as enum ('sad', 'ok'); create type pg_temp.pair as (a int, b text)")
    const { rows } = await client.query(
      "select 'ok'::pg_temp.mood a, '{sad}'::pg_temp.mood[] b, row(1,'x')::pg_temp.pair c"
    )
    return rows
  },
  "insert": (client) => client.query("insert into item values (1, 'a'), (2, 'b')"),
  "insert with returning": (client) => client.query("insert into item values ($1, $2) returning *", [1, "a"]),
  "update of nothing": (client) => client.query("update item set name = 'x'"),
  "delete": (client) => client.query("delete from item"),
  "commands": async (client) => [
    await client.query("begin"),
    await client.query("create table pg_temp.other (id int)"),
    await client.query("set local search_path to public"),
    await client.query("rollback")
  ],
  "an empty text": (client) => client.query(""),
  "a text of blanks": (client) => client.query(" ; "),
  "rows as arrays": (client) =>
    client.query({ text: "select 1 as a, 'x' as a, $1::jsonb as b", values: ["[1]"], rowMode: "array" }),
  "several statements": (client) =>
    client.query("select 1 as a; insert into item values (1, 'a'); select 'b' as c, 2 as c"),
  "several statements as arrays": (client) =>
    client.query({ text: "select 1 as a; select 2 as b, 'x' as c", rowMode: "array" }),
  "several statements, of which one fails": (client) => client.query("select 1; select 1 / 0; select 2"),
  "several statements with values": (client) => client.query("select $1::int4; select 2", [1]),
  "a text with a semicolon": (client) => client.query("select 'a;b' as a;"),
  "parsers of one query": (client) =>
    client.query({
      text: "select 1 as a, 'x' as b, null as c, now() is null as d",
      types: {
        getTypeParser: ((oid: number) => (text: string) => `${oid}:${text}`) as pg.CustomTypesConfig["getTypeParser"]
      }
    }),
  "parsers of the client": async (client) => {
    client.setTypeParser(20, (text: string) => BigInt(text))
    const { rows } = await client.query("select 5::int8 as a, '{5}'::int8[] as b")
    return [typeof rows[0].a, rows[0].b]
  },
  "a parser that throws": async (client) => {
    const failed = await client.query({
      text: "select 1 as a",
      types: {
        getTypeParser: (() => () => {
          throw new RangeError("refused")
        }) as pg.CustomTypesConfig["getTypeParser"]
      }
    }).catch((error: Error) => error.message)
    return [failed, await client.query("select 2 as a")]
  },
  "a name": async (client) => [
    await client.query({ name: "one", text: "select $1::int4 as a", values: [1] }),
    await client.query({ name: "one", text: "select $1::int4 as a", values: [2] })
  ],
  "a name without a text": async (client) => {
    await client.query({ name: "one", text: "select $1::int4 as a", values: [1] })
    return client.query({ name: "one", values: [2] } as unknown as pg.QueryConfig)
  },
  "a name of another text": async (client) => {
    await client.query({ name: "one", text: "select 1" })
    return client.query({ name: "one", text: "select 2" })
  },
  "no text": (client) => client.query({} as pg.QueryConfig),
  "values that are no array": (client) => client.query("select $1::text", "x" as unknown as Array<unknown>),
  "queries that are not awaited": async (client) => {
    const order: Array<string> = []
    const all = [
      "begin",
      "insert into item values ($1, 'a')",
      "select count(*) from item where id = $1",
      "commit",
      "selec",
      "select 1"
    ]
      .map((text) =>
        client.query(text, text.includes("$1") ? [1] : []).then(
          ({ rows }) => order.push(JSON.stringify(rows)),
          () => order.push("failed")
        )
      )
    await Promise.all(all)
    return order
  },
  "callbacks": (client) =>
    new Promise((resolve) => {
      client.query("select 1 as a", (error, result) => {
        client.query("select $1::text as b", ["x"], (error2, result2) => {
          client.query(
            { text: "selec" },
            (error3, result3) => resolve([error, result, error2, result2, error3, result3])
          )
        })
      })
    }),
  "a transaction that failed": async (client) => {
    await client.query("begin")
    const first = await client.query("select 1 / 0").catch((error: unknown) => error)
    const second = await client.query("select 1").catch((error: unknown) => error)
    const states = [client.getTransactionStatus()]
    const commit = await client.query("commit")
    return [first, second, states, commit, client.getTransactionStatus()]
  },
  "notices": async (client) => {
    const notice = new Promise((resolve) => client.on("notice", resolve))
    await client.query("do $$ begin raise notice 'hello %', 1 using hint = 'a hint', detail = 'more'; end $$")
    const { code, detail, hint, message, name, severity } = await notice as unknown as Record<string, unknown>
    return { code, detail, hint, message, name, severity }
  },
  "notifications": async (client) => {
    const notification = new Promise<pg.Notification>((resolve) => client.on("notification", resolve))
    await client.query("listen here")
    await client.query("select pg_notify('here', 'a payload')")
    const { channel, payload } = await notification
    return { channel, payload }
  },
  "escapes": async (client) => [client.escapeIdentifier("a\"b"), client.escapeLiteral("a'b\\c")],
  "a unique violation": async (client) => {
    await client.query("insert into item values (1, 'a')")
    const error = await client.query("insert into item values (1, 'a')").catch((error: unknown) => error) as Record<
      string,
      unknown
    >
    return [error["message"], error["code"], error["detail"], error["constraint"], error["table"]]
  },
  "a missing value": (client) =>
    client.query("insert into item (id) values (1)").catch((error) => [error.code, error.column]),
  "a syntax error": (client) => client.query("select 1 from from"),
  "an error in a function": (client) => client.query("do $$ begin perform 1 / 0; end $$"),
  "a missing table": (client) => client.query("select * from missing where id = $1", [1]),
  "a table that was altered": async (client) => {
    await client.query("insert into item values ($1, 'a')", [1])
    const text = "select * from item where id = $1"
    const before = await client.query(text, [1])
    await client.query("alter table item drop column at")
    return [before.rows, (await client.query(text, [1])).rows]
  },
  "COPY": (client) => client.query("copy item from stdin").catch(() => "refused"),
  "a query after the end": async (client) => {
    await client.end()
    return client.query("select 1")
  },
  "a second connect": (client) => client.connect()
}

const pools: Readonly<Record<string, OnPool>> = {
  "a query": (pool) => pool.query("select $1::int4 as a", [1]),
  "a callback": (pool) =>
    new Promise((resolve) => pool.query("select 1 as a", (error, result) => resolve([error ?? null, result]))),
  "many queries": async (pool) => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => pool.query("select $1::int4 as a", [i])))
    return results.map(({ rows }) => rows)
  },
  "an error": (pool) => pool.query("select * from missing"),
  "several statements": (pool) => pool.query("select 1 as a; select 2 as b"),
  "a client": async (pool) => {
    const client = await pool.connect()
    try {
      await client.query("begin")
      await client.query("create table kept (id int)")
      await client.query("rollback")
      return await client.query("select to_regclass('kept') as a")
    } finally {
      client.release()
    }
  },
  "a client by callback": (pool) =>
    new Promise((resolve) =>
      pool.connect((error, client, done) => {
        client!.query("select 1 as a").then((result) => {
          done()
          resolve([error, result])
        }, resolve)
      })
    ),
  "a second release": async (pool) => {
    const client = await pool.connect()
    client.release()
    client.release()
  },
  "one connection is used again": async (pool) => {
    const client = await pool.connect()
    client.release()
    while (pool.idleCount === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const again = await pool.connect()
    again.release()
    return client === again
  },
  "counts": async (pool) => {
    const before = [pool.totalCount, pool.idleCount, pool.waitingCount]
    const client = await pool.connect()
    const during = [pool.totalCount, pool.idleCount, pool.waitingCount]
    client.release()
    return [before, during, pool.ended]
  },
  "waiting for a client": async (pool) => {
    const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
    const fourth = pool.connect()
    while (pool.waitingCount === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const waiting = pool.waitingCount
    clients[0].release()
    const found = await fourth
    for (const client of [found, clients[1], clients[2]]) client.release()
    return waiting
  },
  "events": async (pool) => {
    const events: Array<string> = []
    for (const event of ["connect", "acquire", "release", "remove"] as const) pool.on(event, () => events.push(event))
    const removed = new Promise<void>((resolve) => pool.on("remove", () => resolve()))
    const client = await pool.connect()
    client.release()
    await pool.end()
    await removed
    return events
  },
  "a hook of new connections": async (pool) => {
    pool.on("connect", (client) => void client.query("set application_name to 'hooked'"))
    const client = await pool.connect()
    const { rows } = await client.query("show application_name")
    client.release()
    return rows
  },
  "a query after the end": async (pool) => {
    await pool.end()
    return pool.query("select 1")
  },
  "a second end": async (pool) => {
    await pool.end()
    return pool.end()
  }
}

interface Exception {
  readonly program: OnPool
  readonly pg: unknown
  readonly hyperfect: unknown
}

const codeOf = (error: { readonly code?: string }): string => error.code ?? "an error of the client"

/** The differences of this package, with the reasons. */
const exceptions: Readonly<Record<string, Exception>> = {
  // A pool must not hand the settings of one user to the next.
  "a client that is released has its settings reset": {
    program: async (pool) => {
      const client = await pool.connect()
      await client.query("set application_name to 'mine'")
      client.release()
      const again = await pool.connect()
      const { rows } = await again.query("show application_name")
      again.release()
      return rows
    },
    pg: { value: [{ application_name: "mine" }] },
    hyperfect: { value: [{ application_name: "hyperfect" }] }
  },
  // With `pg`, the next query on that connection would be in the transaction.
  "a query of a pool may leave no transaction open": {
    program: (pool) => pool.query("begin").then(() => "open", () => "refused"),
    pg: { value: "open" },
    hyperfect: { value: "refused" }
  },
  // The client knows how many values the statement has.
  "too few values are not sent": {
    program: (pool) => pool.query("select $1::int4, $2::int4", [1]).catch(codeOf),
    pg: { value: "08P01" },
    hyperfect: { value: "an error of the client" }
  },
  // A declaration for each value, as the documentation of the protocol allows it.
  "the server finds no type for a value that has no place": {
    program: (pool) => pool.query("select $1::int4", [1, 2]).catch(codeOf),
    pg: { value: "08P01" },
    hyperfect: { value: "42P18" }
  }
}

layer(Layer.provideMerge(Shared.layer, layerServer))("pg and this package", (it) => {
  for (const [group, programs] of Object.entries({ values, parameters, queries })) {
    const observe = group === "queries" ? observeClient : observeShared
    for (const [name, program] of Object.entries(programs)) {
      it.effect(`${group}: ${name}`, () =>
        Effect.gen(function*() {
          assert.deepEqual(yield* observe("hyperfect", program), yield* observe("pg", program))
        }))
    }
  }
  for (const [name, program] of Object.entries(pools)) {
    it.effect(`pools: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepEqual(yield* observePool("hyperfect", program), yield* observePool("pg", program))
      }))
  }
  for (const [name, { program, ...wanted }] of Object.entries(exceptions)) {
    it.effect(`exceptions: ${name}`, () =>
      Effect.gen(function*() {
        const found = { pg: yield* observePool("pg", program), hyperfect: yield* observePool("hyperfect", program) }
        assert.deepEqual(found, wanted)
      }))
  }
})
