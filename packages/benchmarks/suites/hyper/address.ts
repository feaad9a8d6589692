/** Where hyperd is, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
}

const variable = "HYPERFECT_BENCH_HYPER"

export const setAddress = (address: Address): void => {
  process.env[variable] = JSON.stringify(address)
}

export const getAddress = (): Address => {
  const text = process.env[variable]
  if (text === undefined) throw new Error(`${variable} does not say where hyperd is`)
  return JSON.parse(text) as Address
}
