/**
 * The machine that this process runs on.
 *
 * @internal
 */

/** A platform and an architecture as Node names them; neither on a runtime without `process`. */
export interface Host {
  readonly platform?: string | undefined
  readonly arch?: string | undefined
}

/** @internal */
export const current: Host = (globalThis as { readonly process?: Host }).process ?? {}
