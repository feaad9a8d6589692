/**
 * Start options of a Hyper server.
 *
 * @since 0.1.0
 */
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"

/**
 * The endpoint that the server listens on.
 *
 * **Details**
 *
 * - `"tcp"`: a free port on `127.0.0.1`.
 * - `"unix"`: a socket file in a new directory that only the current user can enter; on Windows, where this is not
 *   tested, a named pipe.
 * - an endpoint: exactly that one. Port 0 means a free port. A file that is not a socket is never replaced. On Windows
 *   the path is that of a named pipe, `\\.\pipe\name`.
 *
 * @category models
 * @since 0.1.0
 */
export type Listen = "tcp" | "unix" | Endpoint.Endpoint

/**
 * The server's certificate and key, as PEM text or as PEM files. The server supports TLS 1.3 only.
 *
 * **Gotchas**
 *
 * The server rejects a key file that is readable by anyone but its owner.
 *
 * @category models
 * @since 0.1.0
 */
export type TlsOptions =
  & {
    /** True if connections without TLS are rejected, including local ones. */
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
 * Start options of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The server program, or the directory that contains it. */
  readonly path?: string | undefined
  /**
   * The name of the only user; `tableau_internal_user` when absent. Names are case-sensitive.
   *
   * A database opens only for the user that created it (H-72). Tableau's products and clients are
   * `tableau_internal_user`: they cannot open the files of another one.
   */
  readonly user?: string | undefined
  /** The password that clients must prove they know, by SCRAM-SHA-256. Without a password every client is let in. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** `"tcp"` when absent. */
  readonly listen?: Listen | NonEmptyReadonlyArray<Listen> | undefined
  readonly tls?: TlsOptions | undefined
  /**
   * The file format of databases that are created without a version; 3 when absent, as in Tableau's own newest client.
   *
   * A product opens only the versions that it knows, and a version stores only some types:
   *
   * | version | stores | opened by |
   * | --- | --- | --- |
   * | 2 | all types but `real` and `numeric` of more than 18 digits | Tableau 2020.4.15, 2021.1.12, 2021.2.9, 2021.3.8, 2021.4.4, 2022.1.2, Prep 2022.3 |
   * | 3 | all types but `real` | Tableau Desktop and Prep 2022.4.1, Server 2023.1 |
   * | 4 | all types | Tableau 2024.3 |
   *
   * The products are those that Tableau's documentation names, each with its later releases. A server without this
   * option would write version 2.
   */
  readonly defaultDatabaseVersion?: 2 | 3 | 4 | undefined
  /**
   * Settings for all sessions, such as `{ date_style: "DMY" }`.
   *
   * They override the defaults that make a server behave the same everywhere: language `en_US`, dates in the order MDY,
   * parsed strictly. The server fails to start with an unknown setting.
   */
  readonly settings?: Readonly<Record<string, string | number | boolean>> | undefined
  /** Arguments to append to all others. */
  readonly arguments?: ReadonlyArray<string> | undefined
  /** Environment variables to set in addition to this process's own; `undefined` removes one. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /**
   * The directory that relative paths of databases are resolved against; this process's working directory when absent.
   */
  readonly workingDirectory?: string | undefined
  /**
   * The directory in which `hyperd.log` is written and kept; created if missing. When absent, a temporary one that is
   * removed with the scope.
   */
  readonly logDirectory?: string | undefined
  /** The time that the server may take until it reports; 30 seconds when absent. */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * The time that the server may take to stop before it is sent signals; 10 seconds when absent. In this time it saves
   * what no session has released. If it crashes or has to be killed, the scope dies with the reason `Exited` or
   * `Killed`.
   */
  readonly stopTimeout?: Duration.Input | undefined
}
