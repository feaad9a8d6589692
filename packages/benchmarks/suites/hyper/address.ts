import { makeAddress } from "../address.ts"

/** The address of hyperd, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
}

export const { get: getAddress, set: setAddress } = makeAddress<Address>("HYPERFECT_BENCH_HYPER")
