/**
 * Server endpoints.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A host and a port.
 *
 * @category models
 * @since 0.1.0
 */
export const Tcp = Schema.TaggedStruct("Tcp", {
  /** The host name or address. */
  host: Schema.String,
  port: Schema.Port,
  /** The address to connect to instead of resolving the host name; the certificate must still match the name. */
  address: Schema.optionalKey(Schema.String)
})

/**
 * A Unix socket, by the path of its file.
 *
 * @category models
 * @since 0.1.0
 */
export const Unix = Schema.TaggedStruct("Unix", { path: Schema.String })

/**
 * The endpoint of a server: a host with a port, or a Unix socket.
 *
 * @category models
 * @since 0.1.0
 */
export const Endpoint = Schema.Union([Tcp, Unix])

/**
 * The decoded {@link Endpoint}.
 *
 * @category models
 * @since 0.1.0
 */
export type Endpoint = typeof Endpoint.Type

/**
 * Creates an endpoint from a host, by its name or address, and a port.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tcp = (host: string, port: number): Endpoint => Tcp.make({ host, port })

/**
 * Creates an endpoint from the path of a Unix socket's file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unix = (path: string): Endpoint => Unix.make({ path })

/**
 * Formats the endpoint for messages, such as `127.0.0.1:5432`, `[::1]:5432` or `/tmp/.s.PGSQL.5432`.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (endpoint: Endpoint): string =>
  endpoint._tag === "Unix"
    ? endpoint.path
    : endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`
