export * as HyperDialect from "./HyperDialect.ts"
