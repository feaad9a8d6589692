/**
 * The lists of hosts, addresses and ports, put together as libpq does it.
 *
 * @since 0.1.0
 */
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { fail, type Settings } from "./settings.ts"

/** What no name or address has, and what stands there when a password was not percent-encoded. */
const notInAHost = /[\s@#?/\\[\]<>"'=&]/

/** A port; 5432 when the text is empty. */
const readPort = (text: string): number => {
  if (text === "") return 5432
  const value = /^[ \t-\r]*\+?\d{1,9}[ \t-\r]*$/.test(text) ? Number(text) : 0
  return value > 0 && value <= 65_535 ? value : fail("port", "invalid", "is not a number from 1 to 65535")
}

const readHost = (host: string, address: string, port: number): Endpoint.Endpoint => {
  if (address !== "") {
    if (notInAHost.test(address)) fail("hostaddr", "invalid", "is not an address")
    return host === "" || host === address
      ? Endpoint.tcp(address, port)
      : Endpoint.Tcp.make({ host, port, address })
  }
  if (host.startsWith("@")) fail("host", "unsupported", "is a socket in the abstract namespace")
  if (host.startsWith("/")) return Endpoint.unix(`${host}/.s.PGSQL.${port}`)
  if (notInAHost.test(host)) fail("host", "invalid", "is not the name or address of a host")
  return Endpoint.tcp(host === "" ? "localhost" : host, port)
}

const list = (settings: Settings, key: string): ReadonlyArray<string> => {
  const text = settings.get(key) ?? ""
  return text === "" ? [] : text.split(",")
}

/**
 * The endpoints, at least one. An empty host is `localhost`, an empty port 5432; one port is good for every host.
 *
 * @internal
 */
export const readHosts = (settings: Settings): readonly [Endpoint.Endpoint, ...Array<Endpoint.Endpoint>] => {
  const hosts = list(settings, "host")
  const addresses = list(settings, "hostaddr")
  const ports = list(settings, "port")
  if (hosts.length > 0 && addresses.length > 0 && hosts.length !== addresses.length) {
    fail("hostaddr", "invalid", `has ${addresses.length} addresses for ${hosts.length} hosts`)
  }
  const count = Math.max(1, hosts.length, addresses.length)
  if (ports.length > 1 && ports.length !== count) {
    fail("port", "invalid", `has ${ports.length} ports for ${count} hosts`)
  }
  const at = (index: number) =>
    readHost(
      hosts[index] ?? "",
      addresses[index] ?? "",
      readPort(ports.length === 1 ? ports[0]! : ports[index] ?? "")
    )
  return [at(0), ...Array.from({ length: count - 1 }, (_, index) => at(index + 1))]
}
