/**
 * Endpoints in Hyper's notation: `tab.tcp://host:port`, `tab.domain://<directory>/domain/<name>`, and on Windows
 * `tab.pipe://<host>/pipe/<name>`.
 *
 * They appear in the server's option `--listen-connection`, in its report over the callback connection, and in the
 * configuration of other clients. The `domain` in the second form is part of the syntax, not a directory. A named pipe
 * is a Unix socket to this library, with the path `\\host\pipe\name`, as it is to Node. The remaining kind, gRPC, is for
 * `@hyperfect/grpc`.
 *
 * @since 0.1.0
 */
import * as Endpoint from "@hyperfect/transport/Endpoint"

const pipePath = /^\\\\([^\\/]+)\\pipe\\([^\\/]+)$/i

/**
 * True if the path is that of a named pipe of Windows.
 *
 * @internal
 */
export const isNamedPipe = (path: string): boolean => pipePath.test(path)

/**
 * Returns the endpoint of a server that is reachable on this machine only: a socket in a directory of its own, or on
 * Windows a pipe with the name of that directory.
 *
 * @internal
 */
export const local = (directory: string, platform: string | undefined): Endpoint.Endpoint =>
  Endpoint.unix(
    platform === "win32" ? `\\\\.\\pipe\\${/[^\\/]*$/.exec(directory)![0]}` : `${directory}/.s.PGSQL.7483`
  )

/**
 * Formats an endpoint. The path of a Unix socket must be absolute, or that of a named pipe.
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
  const pipe = pipePath.exec(endpoint.path)
  // The folder of pipes is also called `\\?\pipe`.
  if (pipe !== null) return `tab.pipe://${pipe[1] === "?" ? "." : pipe[1]}/pipe/${pipe[2]}`
  const cut = endpoint.path.lastIndexOf("/")
  return `tab.domain://${endpoint.path.slice(0, cut)}/domain/${endpoint.path.slice(cut + 1)}`
}

const tcp = /^tab\.tcp:\/\/(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/
const namedPipe = /^tab\.pipe:\/\/([^/\\]+)\/pipe\/([^/\\]+)$/
const domain = /^tab\.domain:\/\/(.*)\/domain\/([^/]+)$/

/**
 * Parses an endpoint; `undefined` if it is malformed, has no port yet, or is of an unsupported kind.
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
  const pipe = namedPipe.exec(text)
  if (pipe !== null) return Endpoint.unix(`\\\\${pipe[1]}\\pipe\\${pipe[2]}`)
  const socket = domain.exec(text)
  return socket === null ? undefined : Endpoint.unix(`${socket[1]}/${socket[2]}`)
}
