export * as HyperSql from "./HyperSql.ts"
