/**
 * An application on `effect/sql` that does not know its driver: migrations, a model, a resolver that batches, and a
 * transaction with a savepoint.
 */
import { Effect, Schema } from "effect"
import { Model } from "effect/schema"
import { Migrator, SqlClient, SqlModel, SqlResolver, SqlSchema } from "effect/sql"

class Product extends Model.Class<Product>("Product")({
  id: Model.Field({ select: Schema.Int, update: Schema.Int, json: Schema.Int }),
  name: Schema.String,
  price: Schema.String,
  stock: Schema.Int
}) {}

const migrations = Migrator.fromRecord({
  "0001_products": SqlClient.SqlClient.use((sql) =>
    sql`create table products (
      id int generated always as identity primary key,
      name text not null unique,
      price numeric(10, 2) not null,
      stock int not null check (stock >= 0)
    )`
  ).pipe(Effect.asVoid),
  "0002_orders": SqlClient.SqlClient.use((sql) =>
    sql`create table orders (
      product_id int not null references products,
      quantity int not null,
      note jsonb,
      placed_at timestamptz not null default now()
    )`
  ).pipe(Effect.asVoid)
})

const makeShop = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const products = yield* SqlModel.makeRepository(Product, {
    tableName: "products",
    spanPrefix: "Product",
    idColumn: "id"
  })
  const nameOf = SqlResolver.request(SqlResolver.ordered({
    Request: Schema.Int,
    Result: Schema.Struct({ name: Schema.String }),
    execute: (ids) =>
      sql`select p.name from unnest(${[...ids]}::int[]) with ordinality wanted(id, place)
        join products p using (id) order by place`
  }))
  /** Orders a product, or fails with the violation of its stock. */
  const order = (productId: number, quantity: number, gift: boolean) =>
    sql.withTransaction(Effect.andThen(
      sql`insert into orders ${sql.insert({ product_id: productId, quantity, note: JSON.stringify({ gift }) })}`,
      sql`update products set stock = stock - ${quantity} where id = ${productId}`
    ))
  const sales = SqlSchema.findAll({
    Request: Schema.Int,
    Result: Schema.Struct({ name: Schema.String, sold: Schema.Int, revenue: Schema.String }),
    execute: (atLeast) =>
      sql`select name, sum(quantity)::int as sold, sum(quantity * price)::numeric(10, 2) as revenue
        from orders join products on id = product_id group by name having sum(quantity) >= ${atLeast} order by name`
  })
  return { products, nameOf, order, sales }
})

/** Sets a shop up, takes some orders, and returns the lines of a report. */
export const program = Effect.gen(function*() {
  const applied = yield* Migrator.make({})({ loader: migrations })
  const { nameOf, order, products, sales } = yield* makeShop
  const pen = yield* products.insert(Product.insert.make({ name: "pen", price: "1.20", stock: 10 }))
  const ink = yield* products.insert(Product.insert.make({ name: "ink", price: "7.50", stock: 1 }))
  yield* order(pen.id, 4, false)
  yield* order(ink.id, 1, true)
  const refused = yield* Effect.flip(order(ink.id, 1, false))
  const names = yield* Effect.forEach([ink.id, pen.id], nameOf, { concurrency: "unbounded" })
  const sold = yield* sales(1)
  return [
    `migrations: ${applied.map(([, name]) => name).join(", ")}`,
    `names: ${names.map(({ name }) => name).join(", ")}`,
    `refused: ${refused._tag === "SqlError" ? refused.reason._tag : refused._tag}`,
    ...sold.map(({ name, revenue, sold }) => `${name}: ${sold} sold for ${revenue}`)
  ]
})
