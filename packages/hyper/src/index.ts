export * as InstalledPackage from "./InstalledPackage.ts"
export * as ServerProcess from "./ServerProcess.ts"
