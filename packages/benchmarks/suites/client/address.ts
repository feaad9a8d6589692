import { makeAddress } from "../address.ts"

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

const { get, set } = makeAddress<Address>("HYPERFECT_BENCH_POSTGRES")

export const setAddress = set

/** Where to connect to. */
export const getAddress = (tls = false): Address => {
  const address = get()
  return tls ? { ...address, port: address.tlsPort } : address
}
