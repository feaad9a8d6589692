export * as GrpcError from "./GrpcError.ts"
export * as HyperGrpc from "./HyperGrpc.ts"
