export * as ByteWriter from "./ByteWriter.ts"
export * as ProtocolError from "./ProtocolError.ts"
export * as Utf8 from "./Utf8.ts"
