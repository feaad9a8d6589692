/**
 * IP addresses as text, printed as PostgreSQL does and parsed from any of their usual forms.
 *
 * @internal
 */

const ipv4Pattern = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/

/** Returns the 4 or 16 bytes of an address, or `undefined`. */
export const parse = (text: string): ReadonlyArray<number> | undefined =>
  text.includes(":") ? parseIpv6(text) : parseIpv4(text)

const parseIpv4 = (text: string): ReadonlyArray<number> | undefined => {
  const match = ipv4Pattern.exec(text)
  if (match === null) return undefined
  const bytes = match.slice(1).map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

const parseIpv6 = (text: string): ReadonlyArray<number> | undefined => {
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(parseGroups)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 16 ? head : undefined
  if (tail === undefined) return undefined
  const missing = 16 - head.length - tail.length
  return missing >= 2 ? [...head, ...Array.from({ length: missing }, () => 0), ...tail] : undefined
}

/** Parses groups of four hexadecimal digits; the last one may be an IPv4 address. */
const parseGroups = (text: string): ReadonlyArray<number> | undefined => {
  if (text === "") return []
  const bytes: Array<number> = []
  const groups = text.split(":")
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    } else {
      const ipv4 = i === groups.length - 1 ? parseIpv4(group) : undefined
      if (ipv4 === undefined) return undefined
      bytes.push(...ipv4)
    }
  }
  return bytes
}

/**
 * Abbreviates the longest run of at least two zero groups to `::`; an address that maps or embeds IPv4 ends in the IPv4
 * form.
 */
export const format = (bytes: ArrayLike<number>): string => {
  if (bytes.length === 4) return Array.from(bytes).join(".")
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!)
  let best = -1
  let longest = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > longest) {
      best = i
      longest = length
    }
    i += length
  }
  const embedded = best === 0 && (longest === 6 || (longest === 5 && groups[5] === 0xffff))
  const tail = embedded ? [Array.from(bytes).slice(12).join(".")] : []
  const shown = (from: number, to: number) => groups.slice(from, to).map((group) => group.toString(16))
  const end = embedded ? 6 : 8
  if (best < 0) return [...shown(0, end), ...tail].join(":")
  return `${shown(0, best).join(":")}::${[...shown(best + longest, end), ...tail].join(":")}`
}
