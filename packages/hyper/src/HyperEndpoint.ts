/**
 * Endpoints the way Hyper writes them: `tab.tcp://host:port` and `tab.domain://<directory>/domain/<name>`.
 *
 * These stand in the server's option `--listen-connection`, in its report over the callback connection, and in the
 * configuration of other clients. The `domain` in the second form is a word of the syntax and no directory. Hyper knows
 * more kinds of them (named pipes, gRPC); nothing here connects to those.
 *
 * @since 0.1.0
 */
import * as Endpoint from "@hyperfect/transport/Endpoint"

/**
 * Writes an endpoint. The path of a Unix socket must be absolute.
 *
 * **Example** (A port and a socket)
 *
 * ```ts
 * import { HyperEndpoint } from "@hyperfect/hyper"
 * import { Endpoint } from "@hyperfect/transport"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(HyperEndpoint.format(Endpoint.tcp("127.0.0.1", 7483)), "tab.tcp://127.0.0.1:7483")
 * assert.equal(HyperEndpoint.format(Endpoint.unix("/tmp/.s.PGSQL.7483")), "tab.domain:///tmp/domain/.s.PGSQL.7483")
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (endpoint: Endpoint.Endpoint): string => {
  if (endpoint._tag === "Tcp") return `tab.tcp://${Endpoint.format(endpoint)}`
  const cut = endpoint.path.lastIndexOf("/")
  return `tab.domain://${endpoint.path.slice(0, cut)}/domain/${endpoint.path.slice(cut + 1)}`
}

const tcp = /^tab\.tcp:\/\/(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/
const domain = /^tab\.domain:\/\/(.*)\/domain\/([^/]+)$/

/**
 * Reads an endpoint; `undefined` when it is malformed, has no port yet, or is of a kind that nothing here connects to.
 *
 * @category converting
 * @since 0.1.0
 */
export const parse = (text: string): Endpoint.Endpoint | undefined => {
  const address = tcp.exec(text)
  if (address !== null) {
    const port = Number(address[3])
    return port > 0 && port <= 65_535 ? Endpoint.tcp(address[1] ?? address[2]!, port) : undefined
  }
  const socket = domain.exec(text)
  return socket === null ? undefined : Endpoint.unix(`${socket[1]}/${socket[2]}`)
}
