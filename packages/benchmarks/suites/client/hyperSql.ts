import * as HyperSql from "@hyperfect/sql/HyperSql"
import { Effect } from "effect"
import type { Driver, OpenOptions } from "./Driver.ts"
import { driverOf } from "./effectSqlPg.ts"
import { configOf, packed, platform } from "./hyperfect.ts"

export const open = async ({ connections, tls }: OpenOptions): Promise<Driver> =>
  driverOf(Effect.provide(
    HyperSql.make(configOf(tls === true), { min: connections, max: connections, ...packed }),
    await platform
  ))
