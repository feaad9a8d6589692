export * as Pg from "./Pg.ts"
