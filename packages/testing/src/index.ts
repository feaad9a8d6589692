export * as Certificates from "./Certificates.ts"
export * as PostgresServer from "./PostgresServer.ts"
export * as PostgresServerError from "./PostgresServerError.ts"
