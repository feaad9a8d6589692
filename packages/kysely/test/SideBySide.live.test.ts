/** The same programs on Kysely's own dialect, with `pg`, and on this one: equal results, errors and logs, but for exceptions. */
import { assert, layer } from "@effect/vitest"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Exit } from "effect"
import { AbortedTransactionError, type Kysely, sql } from "kysely"
import { createTables, type Database, dialects, layerServer, makeKysely } from "./servers.ts"

type Program = (db: Kysely<Database>) => Promise<unknown>

const fields = ["code", "severity", "detail", "position", "schema", "table", "column", "constraint"] as const

/** Bytes and errors as plain values; the texts of errors are those of the drivers. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Array.from(value)
  if (value instanceof AbortedTransactionError) return value.name
  if (value instanceof Error) {
    const record = value as unknown as Record<string, unknown>
    return fields.map((name) => [name, record[name]])
  }
  if (Array.isArray(value)) return value.map(plain)
  const isRow = typeof value === "object" && value !== null && !(value instanceof Date)
  if (!isRow) return value
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== undefined).map(([key, item]) => [key, plain(item)])
  )
}

const observe = Effect.fnUntraced(function*(dialect: keyof typeof dialects, program: Program) {
  const server = yield* PostgresServer.PostgresServer
  const log: Array<string> = []
  const db = yield* makeKysely(dialects[dialect](server), ({ level, query }) => log.push(`${level}: ${query.sql}`))
  yield* Effect.promise(() => createTables(db))
  const outcome = yield* Effect.exit(Effect.tryPromise({ try: () => program(db), catch: (error) => error }))
  return {
    log,
    outcome: Exit.isSuccess(outcome)
      ? { value: plain(outcome.value) }
      : { error: plain(yield* Effect.flip(outcome)) }
  }
}, Effect.scoped)

const fromAsync = async (rows: AsyncIterable<unknown>): Promise<unknown> => {
  const found: Array<unknown> = []
  for await (const row of rows) found.push(row)
  return found
}

const ada = { name: "ada", age: 36, tags: ["a", "b"] }

const insertAda: Program = (db) => db.insertInto("person").values(ada).execute()

/** A program that begins with one person. */
const withAda = (program: Program): Program => async (db) => {
  await insertAda(db)
  return program(db)
}

const programs: Readonly<Record<string, Program>> = {
  "inserts": insertAda,
  "inserts with returning": (db) => db.insertInto("person").values([ada, { name: "bob" }]).returningAll().execute(),
  "selects": withAda((db) => db.selectFrom("person").selectAll().where("name", "=", "ada").executeTakeFirst()),
  "selects of nothing": (db) => db.selectFrom("person").selectAll().execute(),
  "updates": withAda((db) => db.updateTable("person").set({ age: 37 }).execute()),
  "updates with returning": withAda((db) => db.updateTable("person").set({ age: 37 }).returning("age").execute()),
  "deletes": withAda((db) => db.deleteFrom("person").where("age", "=", 36).executeTakeFirst()),
  "upserts": withAda((db) =>
    db.insertInto("person").values({ name: "ada", age: 1 }).onConflict((on) =>
      on.column("name").doUpdateSet({ age: 1 })
    )
      .returning(["name", "age"]).execute()
  ),
  "merges": withAda((db) =>
    db.mergeInto("pet").using("person", "pet.owner", "person.id").whenNotMatched()
      .thenInsertValues((eb) => ({ name: "rex", owner: eb.ref("person.id") })).execute()
  ),
  "joins": withAda(async (db) => {
    await db.insertInto("pet").values({ name: "rex", owner: 1 }).execute()
    return db.selectFrom("person").innerJoin("pet", "pet.owner", "person.id").select(["person.name", "pet.name as pet"])
      .execute()
  }),
  "duplicate columns": withAda(async (db) => {
    await db.insertInto("pet").values({ name: "rex", owner: 1 }).execute()
    return sql`select person.name, pet.name from person join pet on pet.owner = person.id`.execute(db)
  }),
  "arrays": withAda((db) => db.selectFrom("person").select("tags").where(sql`'a'`, "=", sql`any(tags)`).execute()),
  "a list of values": withAda((db) => db.selectFrom("person").select("id").where("age", "in", [35, 36]).execute()),
  "a number for a text": (db) => sql`select ${5}::text as a`.execute(db),
  "undefined is null": (db) => sql`select ${undefined}::text as a, ${[1, undefined]}::int4[] as b`.execute(db),
  "plain values": (db) =>
    sql`select true as a, 1::int2 as b, 2 as c, 'x' as d, 1.5::float8 as e, null as f, '\\x01'::bytea as g, 5::int8 as h,
      1.50::numeric as i, '2024-01-02 03:04:05Z'::timestamptz as j, '{"a":[1]}'::jsonb as k, 'null'::json as l,
      '550e8400-e29b-41d4-a716-446655440000'::uuid as m, '{1,2}'::int4[] as n`.execute(db),
  "parameters": (db) =>
    sql`select ${1}::int4 as a, ${"x"}::text as b, ${true}::bool as c, ${new Date(
      0
    )}::timestamptz as d, ${5n}::int8 as e,
      ${"12.5"}::numeric as f, ${{ a: 1 }}::jsonb as g, ${Buffer.from([1])}::bytea as h, ${"7"}::int4 as i`.execute(db),
  "several statements": (db) => sql`select 1 as a; select 2 as b`.execute(db),
  "a text with a semicolon": (db) => sql`select 'a;b' as a;`.execute(db),
  "streams": (db) =>
    fromAsync(db.selectFrom(sql`generate_series(1, 10)`.as("g")).select(sql<number>`g`.as("n")).stream(3)),
  "a stream that is left": async (db) => {
    for await (
      const { n } of db.selectFrom(sql`generate_series(1, 100000)`.as("g")).select(sql<number>`g`.as("n")).stream(3)
    ) {
      if (n === 5) break
    }
    return db.selectFrom("person").selectAll().execute()
  },
  "a stream that fails": (db) =>
    fromAsync(
      db.selectFrom(sql`generate_series(-5, 5)`.as("g")).select(sql<number>`1 / g`.as("n")).stream(2)
    ),
  "transactions": (db) =>
    db.transaction().execute((trx) => withAda((db) => db.selectFrom("person").selectAll().execute())(trx)),
  "transactions with options": (db) =>
    db.transaction().setIsolationLevel("serializable").setAccessMode("read only").execute((trx) =>
      sql`select current_setting('transaction_isolation') as a, current_setting('transaction_read_only') as b`.execute(
        trx
      )
    ),
  "a transaction that throws": async (db) => {
    const thrown = await db.transaction().execute(async (trx) => {
      await insertAda(trx)
      throw new Error("undone")
    }).catch((error: unknown) => (error as Error).message)
    return [thrown, await db.selectFrom("person").selectAll().execute()]
  },
  "a failed statement that is caught": (db) =>
    db.transaction().execute((trx) => sql`selec`.execute(trx).catch(() => "caught")),
  "savepoints": async (db) => {
    const trx = await db.startTransaction().execute()
    await insertAda(trx)
    const inner = await trx.savepoint(`it's "quoted"; --` as "sp").execute()
    await inner.deleteFrom("person").execute()
    await inner.rollbackToSavepoint(`it's "quoted"; --` as "sp").execute()
    await inner.releaseSavepoint(`it's "quoted"; --` as "sp").execute()
    await trx.commit().execute()
    return db.selectFrom("person").selectAll().execute()
  },
  "a controlled transaction that is rolled back": async (db) => {
    const trx = await db.startTransaction().execute()
    await insertAda(trx)
    await trx.rollback().execute()
    return db.selectFrom("person").selectAll().execute()
  },
  "a transaction in raw statements": (db) =>
    db.connection().execute(async (db) => [await sql`begin`.execute(db), await sql`commit`.execute(db)]),
  "concurrent statements": (db) =>
    Promise.all(Array.from({ length: 30 }, (_, i) => sql`select ${i}::int4 as i`.execute(db))),
  "one connection": (db) =>
    db.connection().execute(async (db) => {
      await sql`set application_name = 'one'`.execute(db)
      return sql`show application_name`.execute(db)
    }),
  "introspection": async (db) =>
    (await db.introspection.getTables()).map((
      { columns, name }
    ) => [name, columns.map(({ dataType, name }) => [name, dataType])]),
  "a unique violation": withAda(insertAda),
  "a check violation": (db) => db.insertInto("person").values({ name: "x", age: -1 }).execute(),
  "a missing value": (db) => sql`insert into person (age) values (1)`.execute(db),
  "a foreign key": (db) => db.insertInto("pet").values({ name: "rex", owner: 7 }).execute(),
  "a syntax error": (db) => sql`select 1 from from`.execute(db),
  "a missing table": (db) => sql`select * from missing`.execute(db),
  "a wrong cast": (db) => sql`select ${"x"}::int4`.execute(db)
}

interface Exception {
  readonly program: Program
  readonly pg: unknown
  readonly hyperfect: unknown
}

const rows = (...rows: ReadonlyArray<unknown>) => ({ value: { rows } })

/** The differences of this dialect, with the reasons. */
const exceptions: Readonly<Record<string, Exception>> = {
  // A Date in the time zone of the process is another instant on another machine.
  "dates without a time zone are strings": {
    program: (db) => sql`select '2024-01-02'::date::text = '2024-01-02' as a, '2024-01-02'::date as b`.execute(db),
    pg: rows({ a: true, b: new Date(2024, 0, 2) }),
    hyperfect: rows({ a: true, b: "2024-01-02" })
  },
  "intervals are strings": {
    program: (db) => sql`select '1 day 02:00'::interval as a`.execute(db),
    pg: rows({ a: { days: 1, hours: 2 } }),
    hyperfect: rows({ a: "1 day 02:00:00" })
  },
  "a session that is released has its settings reset": {
    program: async (db) => {
      await db.connection().execute((db) => sql`set application_name = 'mine'`.execute(db))
      return sql`show application_name`.execute(db)
    },
    pg: rows({ application_name: "mine" }),
    hyperfect: rows({ application_name: "hyperfect" })
  },
  // With `pg`, an array is a PostgreSQL array, also as a document, and the server refuses it.
  "an array is a document where the server expects one": {
    program: (db) => sql`select ${[1]}::jsonb as a`.execute(db),
    pg: {
      error: fields.map((
        name
      ) => [name, { code: "22P02", severity: "ERROR", detail: "Expected \":\", but found \"}\"." }[name as string]])
    },
    hyperfect: rows({ a: [1] })
  }
}

layer(layerServer)("Kysely's own dialect and this one", (it) => {
  for (const [name, program] of Object.entries(programs)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        assert.deepEqual(yield* observe("hyperfect", program), yield* observe("pg", program))
      }))
  }
  for (const [name, { program, ...wanted }] of Object.entries(exceptions)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { outcome: pg } = yield* observe("pg", program)
        const { outcome: hyperfect } = yield* observe("hyperfect", program)
        assert.deepEqual({ pg, hyperfect }, wanted)
      }))
  }
})
