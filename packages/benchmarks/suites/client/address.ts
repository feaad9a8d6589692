import { makeAddress } from "../address.ts"
import type { Which } from "../codec/samples.ts"
import type { OpenOptions } from "./Driver.ts"

/** The addresses of the servers, for the processes of all entries. */
export interface Address {
  readonly host: string
  readonly port: number
  /** The port of a server with TLS: some drivers always use it if it is offered. */
  readonly tlsPort: number
  readonly database: string
  /** The users that must authenticate by SCRAM-SHA-256: one of ASCII names, and one whose names are not. */
  readonly logins: Readonly<Record<Which, { readonly user: string; readonly password: string }>>
  /** The user that needs no authentication: a limit cannot log in. */
  readonly trusted: string
  /** The root of the TLS server's certificate, in PEM. */
  readonly root: string
}

const { get, set } = makeAddress<Address>("HYPERFECT_BENCH_POSTGRES")

export const setAddress = set

/** Returns the address to connect to, and the user and password of the login. */
export const getAddress = ({ login = 0, tls = false }: Partial<OpenOptions> = {}) => {
  const address = get()
  return { ...address, ...address.logins[login], ...(tls ? { port: address.tlsPort } : {}) }
}
