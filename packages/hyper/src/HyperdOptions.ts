/**
 * How a Hyper server is started.
 *
 * @since 0.1.0
 */
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"

/**
 * Where the server shall listen.
 *
 * **Details**
 *
 * - `"tcp"`: a free port on `127.0.0.1`.
 * - `"unix"`: a socket file in a directory of its own that only our user can enter.
 * - an endpoint: exactly there. Port 0 means a free port. A file that is no socket is never replaced.
 *
 * @category models
 * @since 0.1.0
 */
export type Listen = "tcp" | "unix" | Endpoint.Endpoint

/**
 * The server's certificate and key, as PEM text or as PEM files. The server speaks TLS 1.3 only.
 *
 * **Gotchas**
 *
 * The server refuses a key file that others than its owner may read.
 *
 * @category models
 * @since 0.1.0
 */
export type TlsOptions =
  & {
    /** Whether connections without TLS are refused, also local ones. */
    readonly required?: boolean | undefined
  }
  & ({
    readonly certificate: string
    readonly key: Redacted.Redacted<string>
  } | {
    readonly certificateFile: string
    readonly keyFile: string
  })

/**
 * How a server is set up and started.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The server program, or the directory it is in. */
  readonly path?: string | undefined
  /** The only user there is; `tableau_internal_user` when absent. Names are case-sensitive. */
  readonly user?: string | undefined
  /** Clients prove that they know it by SCRAM-SHA-256. Without a password everybody who can connect is let in. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** `"tcp"` when absent. */
  readonly listen?: Listen | NonEmptyReadonlyArray<Listen> | undefined
  readonly tls?: TlsOptions | undefined
  /**
   * The file format of databases that are created without saying one; 4 when absent.
   *
   * Only version 4 can keep every type that Hyper has. Version 3 cannot keep `real`, version 2 neither that nor a
   * `numeric` of more than 18 digits; choose them for files that older products shall read.
   */
  readonly defaultDatabaseVersion?: 2 | 3 | 4 | undefined
  /**
   * Settings for all sessions, such as `{ date_style: "DMY" }`.
   *
   * They win over the defaults that make a server the same everywhere: language `en_US`, dates in the order MDY, read
   * strictly. A setting that the server does not know makes it fail.
   */
  readonly settings?: Readonly<Record<string, string | number | boolean>> | undefined
  /** Arguments to put behind all others. */
  readonly arguments?: ReadonlyArray<string> | undefined
  /** Variables set on top of our own environment; `undefined` removes one. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** What relative paths of databases are relative to; our own working directory when absent. */
  readonly workingDirectory?: string | undefined
  /** Where `hyperd.log` is written, and kept. Created when missing. When absent, a directory that goes with the scope. */
  readonly logDirectory?: string | undefined
  /** How long the server may take until it reports; 30 seconds when absent. */
  readonly startTimeout?: Duration.Input | undefined
  /** How long the server may take to stop before it is sent signals; 10 seconds when absent. */
  readonly stopTimeout?: Duration.Input | undefined
}
