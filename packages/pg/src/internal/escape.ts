/**
 * Names and literals inside a text.
 *
 * @internal
 */
import { identifier } from "@hyperfect/client/Statement"

/**
 * Returns the quoted form of a name.
 *
 * @category encoding
 * @since 0.1.0
 */
export const escapeIdentifier = (name: string): string => identifier(name).text

/**
 * Returns the quoted form of a literal. Values of queries need none: pass them as values.
 *
 * @category encoding
 * @since 0.1.0
 */
export const escapeLiteral = (text: string): string => {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`
  return text.includes("\\") ? ` E${quoted}` : quoted
}
