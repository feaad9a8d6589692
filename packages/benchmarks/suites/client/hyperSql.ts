import * as HyperSql from "@hyperfect/sql/HyperSql"
import { Effect } from "effect"
import type { Driver, OpenOptions } from "./Driver.ts"
import { driverOf } from "./effectSqlPg.ts"
import { configOf, packed, platform } from "./hyperfect.ts"

export const open = async (options: OpenOptions): Promise<Driver> =>
  driverOf(Effect.provide(
    HyperSql.make(configOf(options), { min: options.connections, max: options.connections, ...packed }),
    await platform
  ))
