/** Programs of Drizzle on `pg` and on this package: equal results, and equal errors of the server. */
import { assert, layer } from "@effect/vitest"
import { and, asc, count, desc, eq, gt, inArray, relations, sql } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import * as t from "drizzle-orm/pg-core"
import { Effect } from "effect"
import { type drivers, layerServer, makePool } from "./servers.ts"

const person = t.pgTable("person", {
  id: t.integer().primaryKey().generatedAlwaysAsIdentity(),
  name: t.text().notNull().unique(),
  age: t.integer(),
  balance: t.numeric({ precision: 12, scale: 2 }),
  big: t.bigint({ mode: "bigint" }),
  tags: t.text().array(),
  data: t.jsonb(),
  born: t.date(),
  seen: t.timestamp({ withTimezone: true }),
  local: t.timestamp({ mode: "string" })
})
const pet = t.pgTable("pet", {
  id: t.integer().primaryKey().generatedAlwaysAsIdentity(),
  owner: t.integer().notNull().references(() => person.id),
  name: t.text().notNull()
})
const schema = {
  person,
  pet,
  personRelations: relations(person, ({ many }) => ({ pets: many(pet) })),
  petRelations: relations(pet, ({ one }) => ({ owner: one(person, { fields: [pet.owner], references: [person.id] }) }))
}

const tables = sql`drop table if exists person, pet;
  create table person (id int primary key generated always as identity, name text not null unique, age int,
    balance numeric(12, 2), big bigint, tags text[], data jsonb, born date, seen timestamptz, local timestamp);
  create table pet (id int primary key generated always as identity, owner int not null references person, name text not null)`

const ada = {
  name: "ada",
  age: 36,
  balance: "1234567890.10",
  big: 9007199254740993n,
  tags: ["a", "b,\"c\""],
  data: { a: [1, null], b: "x" },
  born: "1815-12-10",
  seen: new Date(Date.UTC(2024, 0, 2, 3, 4, 5)),
  local: "2024-01-02 03:04:05.678901"
}

type Db = ReturnType<typeof drizzle<typeof schema>>

const rex = async (db: Db): Promise<void> => {
  await db.insert(person).values([ada, { name: "bob" }])
  await db.insert(pet).values([{ owner: 1, name: "rex" }, { owner: 1, name: "fido" }])
}

const programs: Readonly<Record<string, (db: Db) => Promise<unknown>>> = {
  "insert with returning": (db) => db.insert(person).values({ ...ada, name: "eve" }).returning(),
  "select with conditions": (db) =>
    db.select({ name: person.name, upper: sql<string>`upper(${person.name})` }).from(person)
      .where(and(gt(person.age, 30), inArray(person.name, ["ada", "bob"]))).orderBy(desc(person.id)).limit(1),
  "joins": (db) =>
    db.select().from(person).leftJoin(pet, eq(pet.owner, person.id)).orderBy(asc(person.id), asc(pet.id)),
  "aggregates": (db) => db.select({ owner: pet.owner, n: count() }).from(pet).groupBy(pet.owner),
  "relations": (db) =>
    db.query.person.findMany({ with: { pets: { columns: { name: true } } }, orderBy: asc(person.id) }),
  "upsert": (db) =>
    db.insert(person).values({ name: "ada", age: 1 }).onConflictDoUpdate({ target: person.name, set: { age: 37 } })
      .returning(),
  "update and delete": async (db) => [
    await db.update(person).set({ tags: [], data: null, seen: null }).where(eq(person.id, 1)).returning(),
    (await db.delete(pet)).rowCount
  ],
  "prepared": async (db) => {
    const byName = db.select().from(person).where(eq(person.name, sql.placeholder("name"))).prepare("by_name")
    return [await byName.execute({ name: "ada" }), await byName.execute({ name: "nobody" })]
  },
  "raw": async (db) => {
    const { command, rowCount, rows } = await db.execute(sql`select ${1}::int as a, now() is null as b`)
    return { command, rowCount, rows }
  },
  "nested transactions": async (db) => {
    await db.transaction(async (tx) => {
      await tx.insert(person).values({ name: "kept" })
      await tx.transaction(async (inner) => {
        await inner.insert(person).values({ name: "undone" })
        inner.rollback()
      }).catch(() => undefined)
    }, { isolationLevel: "serializable" })
    return db.select({ name: person.name }).from(person).orderBy(person.id)
  },
  "a transaction that fails": async (db) => {
    await db.transaction(async (tx) => {
      await tx.delete(pet)
      await tx.insert(person).values({ name: "ada" })
    }).catch(() => undefined)
    return db.$count(pet)
  },
  "a unique violation": (db) => db.insert(person).values({ name: "ada" }),
  "a foreign key": (db) => db.insert(pet).values({ owner: 7, name: "x" }),
  "a missing table": (db) => db.execute(sql`select * from missing`)
}

const outcomeOf = Effect.fnUntraced(function*(driver: keyof typeof drivers, program: (db: Db) => Promise<unknown>) {
  const pool = yield* makePool(driver, { max: 3 })
  return yield* Effect.promise(async () => {
    const db = drizzle(pool, { schema })
    await db.execute(tables)
    await rex(db)
    return program(db).then((value) => ({ value }), ({ cause }: { readonly cause: Record<string, unknown> }) => ({
      error: ["message", "code", "detail", "table", "constraint", "position"].map((name) => cause[name])
    }))
  })
}, Effect.scoped)

layer(layerServer)("Drizzle on pg and on this package", (it) => {
  for (const [name, program] of Object.entries(programs)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        assert.deepEqual(yield* outcomeOf("hyperfect", program), yield* outcomeOf("pg", program))
      }))
  }
})
