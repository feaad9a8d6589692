import { makeAddress } from "../address.ts"

/** Where hyperd is, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
}

export const { get: getAddress, set: setAddress } = makeAddress<Address>("HYPERFECT_BENCH_HYPER")
