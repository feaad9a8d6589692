/** A small shop on Drizzle: tables, relations, and a report that needs all of them. It does not know which driver runs it. */
import { eq, relations, sql } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { integer, jsonb, numeric, pgTable, text, timestamp } from "drizzle-orm/pg-core"
import type pg from "pg"

export const customers = pgTable("customers", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  email: text().notNull().unique(),
  tags: text().array().notNull().default([])
})

export const orders = pgTable("orders", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  customer: integer().notNull().references(() => customers.id),
  price: numeric({ precision: 10, scale: 2 }).notNull(),
  items: jsonb().$type<ReadonlyArray<string>>().notNull(),
  at: timestamp({ withTimezone: true }).notNull()
})

const schema = {
  customers,
  orders,
  customersRelations: relations(customers, ({ many }) => ({ orders: many(orders) })),
  ordersRelations: relations(orders, ({ one }) => ({
    buyer: one(customers, { fields: [orders.customer], references: [customers.id] })
  }))
}

const tables = sql`
  create table customers (id int primary key generated always as identity, email text not null unique,
    tags text[] not null default '{}');
  create table orders (id int primary key generated always as identity, customer int not null references customers,
    price numeric(10, 2) not null, items jsonb not null, at timestamptz not null)`

/** Fills the shop, and returns the lines of its report. */
export const report = async (pool: pg.Pool): Promise<ReadonlyArray<string>> => {
  const db = drizzle(pool, { schema })
  await db.execute(tables)
  const [ada] = await db.insert(customers).values({ email: "ada@example.com", tags: ["new", "vip"] }).returning()
  const at = new Date(Date.UTC(2024, 0, 2))
  await db.transaction(async (tx) => {
    await tx.insert(orders).values({ customer: ada!.id, price: "7.25", items: ["ink"], at })
    await tx.transaction(async (inner) => {
      await inner.insert(orders).values({ customer: ada!.id, price: "99.00", items: ["desk"], at })
      inner.rollback()
    }).catch(() => {
      // Only the desk is taken back.
    })
  })
  const again = await db.insert(customers).values({ email: "ada@example.com" }).onConflictDoNothing()
  const refused = await db.insert(orders).values({ customer: 0, price: "1", items: [], at })
    .then(() => "accepted", (error: { readonly cause: { readonly code: string } }) => error.cause.code)
  const prepared = db.select().from(orders).where(eq(orders.customer, sql.placeholder("id"))).prepare("orders_of")
  const [order] = await prepared.execute({ id: ada!.id })
  const found = await db.query.customers.findMany({ with: { orders: { columns: { price: true, items: true } } } })
  return [
    `inserted again: ${again.rowCount}`,
    `refused: ${refused}`,
    `at: ${order!.at.toISOString()}`,
    ...found.map(({ email, orders, tags }) =>
      `${email} (${tags.join(", ")}): ${orders.map(({ items, price }) => `${items.join()} ${price}`).join("; ")}`
    )
  ]
}
