import { makeAddress } from "../address.ts"

/** The addresses of the servers, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  /** The port of a server with TLS: some drivers always use it if it is offered. */
  readonly tlsPort: number
  readonly database: string
  /** The user that must authenticate by SCRAM-SHA-256. */
  readonly user: string
  readonly password: string
  /** The user that needs no authentication: a limit cannot log in. */
  readonly trusted: string
  /** The root of the TLS server's certificate, in PEM. */
  readonly root: string
}

const { get, set } = makeAddress<Address>("HYPERFECT_BENCH_POSTGRES")

export const setAddress = set

/** Returns the address to connect to. */
export const getAddress = (tls = false): Address => {
  const address = get()
  return tls ? { ...address, port: address.tlsPort } : address
}
