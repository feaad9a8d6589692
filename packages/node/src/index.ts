export * as NodeConnection from "./NodeConnection.ts"
export * as NodePlatform from "./NodePlatform.ts"
export * as NodeTransport from "./NodeTransport.ts"
