/** Where the servers are, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Of a server with TLS: some drivers cannot be kept from using it where it is offered. */
  readonly tlsPort: number
  readonly database: string
  /** Who has to prove himself by SCRAM-SHA-256. */
  readonly user: string
  readonly password: string
  /** Who is let in as he is: a limit cannot log in. */
  readonly trusted: string
  /** The root of that server's certificate, in PEM. */
  readonly root: string
}

const variable = "HYPERFECT_BENCH_POSTGRES"

export const setAddress = (address: Address): void => {
  process.env[variable] = JSON.stringify(address)
}

/** Where to connect to. */
export const getAddress = (tls = false): Address => {
  const text = process.env[variable]
  if (text === undefined) throw new Error(`${variable} does not say where the servers are`)
  const address = JSON.parse(text) as Address
  return tls ? { ...address, port: address.tlsPort } : address
}
