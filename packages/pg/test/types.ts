/** Type checks: a pool is one for Drizzle, Kysely and the types of `pg`. */
import * as Pg from "@hyperfect/pg/Pg"
import { drizzle } from "drizzle-orm/node-postgres"
import { Kysely, PostgresDialect } from "kysely"
import type pg from "pg"

const pool = new Pg.Pool()
export const asPool: pg.Pool = pool
export const asClient: pg.Client = new Pg.Client()
export const db = drizzle(pool)
export const dbOfClient = drizzle(new Pg.Client())
export const kysely = new Kysely({ dialect: new PostgresDialect({ pool }) })
