/**
 * The lists of hosts, addresses and ports, combined as in libpq.
 *
 * @since 0.1.0
 */
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { throwConfigError } from "./settings.ts"

/** A character that is in no host name or address, but is in what an unencoded password leaves in the host. */
const invalidHostCharacter = /[\s@#?/\\[\]<>"'=&]/

/** Parses a port; 5432 if the text is empty. */
const parsePort = (text: string): number => {
  if (text === "") return 5432
  const value = /^[ \t-\r]*\+?\d{1,9}[ \t-\r]*$/.test(text) ? Number(text) : 0
  return value > 0 && value <= 65_535 ? value : throwConfigError("port", "invalid", "is not a number from 1 to 65535")
}

const parseEndpoint = (host: string, address: string, port: number): Endpoint.Endpoint => {
  if (address !== "") {
    if (invalidHostCharacter.test(address)) throwConfigError("hostaddr", "invalid", "is not an address")
    return host === "" || host === address
      ? Endpoint.tcp(address, port)
      : Endpoint.Tcp.make({ host, port, address })
  }
  if (host.startsWith("@")) throwConfigError("host", "unsupported", "is a socket in the abstract namespace")
  if (host.startsWith("/")) return Endpoint.unix(`${host}/.s.PGSQL.${port}`)
  if (invalidHostCharacter.test(host)) throwConfigError("host", "invalid", "is not the name or address of a host")
  return Endpoint.tcp(host === "" ? "localhost" : host, port)
}

/**
 * Parses the endpoints, at least one. An empty host is `localhost`, an empty port 5432; a single port applies to every
 * host.
 *
 * @internal
 */
export const parseEndpoints = (
  hosts: ReadonlyArray<string> = [],
  addresses: ReadonlyArray<string> = [],
  ports: ReadonlyArray<string> = []
): readonly [Endpoint.Endpoint, ...Array<Endpoint.Endpoint>] => {
  if (hosts.length > 0 && addresses.length > 0 && hosts.length !== addresses.length) {
    throwConfigError("hostaddr", "invalid", `has ${addresses.length} addresses for ${hosts.length} hosts`)
  }
  const count = Math.max(1, hosts.length, addresses.length)
  if (ports.length > 1 && ports.length !== count) {
    throwConfigError("port", "invalid", `has ${ports.length} ports for ${count} hosts`)
  }
  const at = (index: number) =>
    parseEndpoint(
      hosts[index] ?? "",
      addresses[index] ?? "",
      parsePort(ports.length === 1 ? ports[0]! : ports[index] ?? "")
    )
  return [at(0), ...Array.from({ length: count - 1 }, (_, index) => at(index + 1))]
}
