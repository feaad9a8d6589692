/** Where the server is, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
}

const variable = "HYPERFECT_BENCH_POSTGRES"

export const setAddress = (address: Address): void => {
  process.env[variable] = JSON.stringify(address)
}

export const getAddress = (): Address => {
  const text = process.env[variable]
  if (text === undefined) throw new Error(`${variable} does not say where the server is`)
  return JSON.parse(text) as Address
}
