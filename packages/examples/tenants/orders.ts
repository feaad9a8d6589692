/**
 * Orders of tenants in one database, on sessions that all of them share: policies keep the rows of one table apart,
 * and each tenant has a schema with its own price list.
 */
import { Client, Query, Statement } from "@hyperfect/client"
import { Effect, Schema } from "effect"

const { identifier, sql } = Statement

/** Creates what tenants share. Policies do not apply to superusers and owners, so tenants have a role without either. */
export const createTables = Client.Client.use((db) =>
  db.batch([
    "create role tenant",
    "grant tenant to current_user",
    `create table orders (
      tenant text not null default current_setting('app.tenant', true) check (tenant <> ''),
      item text not null,
      quantity int not null
    )`,
    "alter table orders enable row level security",
    "create policy own_orders on orders to tenant using (tenant = current_setting('app.tenant', true))",
    "grant select, insert, update, delete on orders to tenant"
  ])
)

const schemaOf = (tenant: string) => `tenant_${tenant}`

/** Adds a tenant, with its price for a pen. */
export const addTenant = (tenant: string, price: number) =>
  Client.Client.use((db) => {
    const schema = schemaOf(tenant)
    return db.batch([
      sql`create schema ${identifier(schema)}`,
      sql`create table ${identifier(schema, "prices")} as select 'pen' as item, ${price}::int as price`,
      sql`grant usage on schema ${identifier(schema)} to tenant`,
      sql`grant select on ${identifier(schema, "prices")} to tenant`
    ])
  })

/** The elements of `search_path` are names, quoted as in a statement. */
const quoted = (name: string) => `"${name.replaceAll("\"", "\"\"")}"`

/**
 * Runs an effect as a tenant: all its statements are in one transaction, with the tenant's role, rows and prices. The
 * session has none of them afterwards, whether the effect succeeds, fails or is interrupted.
 */
export const asTenant = (tenant: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Client.Client.use((db) =>
    db.transaction(effect, {
      role: "tenant",
      settings: { "app.tenant": tenant, search_path: `${quoted(schemaOf(tenant))}, public` }
    })
  )

/** Orders some pens. The order is the tenant's that it runs as, unless it names another, which the policy refuses. */
export const orderPens = (quantity: number, tenant?: string) =>
  Client.Client.use((db) =>
    db.execute(
      tenant === undefined
        ? sql`insert into orders (item, quantity) values ('pen', ${quantity})`
        : sql`insert into orders (tenant, item, quantity) values (${tenant}, 'pen', ${quantity})`
    )
  )

const Order = Schema.Struct({ tenant: Schema.String, item: Schema.String, quantity: Schema.Int, price: Schema.Int })

/** Lists the orders that the tenant sees, at its prices. */
export const bill = Client.Client.use((db) =>
  db.query("select tenant, item, quantity, quantity * price as price from orders join prices using (item)")
).pipe(Query.rows(Order))

/** Adds two tenants, lets them order at once, and returns the lines of a report. */
export const program = Effect.gen(function*() {
  yield* createTables
  yield* addTenant("ada", 2)
  yield* addTenant("bob", 5)
  const bills = yield* Effect.forEach(
    ["ada", "bob"],
    (tenant) => asTenant(tenant)(Effect.andThen(orderPens(3), bill)),
    { concurrency: "unbounded" }
  )
  const refused = yield* Effect.flip(asTenant("ada")(orderPens(1, "bob")))
  const db = yield* Client.Client
  const missed = yield* asTenant("ada")(db.execute("update orders set quantity = 0 where tenant = 'bob'"))
  const unnamed = yield* db.transaction(bill, { role: "tenant", settings: { search_path: "tenant_ada, public" } })
  const next = yield* db.one(
    "select current_user = session_user as \"isOwnRole\", coalesce(current_setting('app.tenant', true), '') as tenant"
  )
  return [
    ...bills.flat().map(({ item, price, quantity, tenant }) => `${tenant}: ${quantity} ${item} for ${price}`),
    `ada orders for bob: ${refused._tag === "ServerError" ? refused.reason._tag : refused._tag}`,
    `ada changes orders of bob: ${missed.rowCount}`,
    `orders without a tenant: ${unnamed.length}`,
    `afterwards: ${JSON.stringify(next)}`
  ]
})
