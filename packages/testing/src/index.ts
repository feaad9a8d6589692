export * as PostgresServer from "./PostgresServer.ts"
export * as PostgresServerError from "./PostgresServerError.ts"
