/**
 * The CSV format of COPY (PostgreSQL, "COPY", section "CSV Format").
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { CsvOptions } from "./format.ts"
import * as Lines from "./lines.ts"

/** Before PostgreSQL 18 this text alone on a line, unless quoted, is the end of the data. */
const endOfData = Uint8Array.of(0x5c, 0x2e)

export const make = (
  { delimiter = ",", escape, header = false, null: nothing = "", quote = "\"" }: CsvOptions
): Lines.LineFormat => {
  Lines.checkDelimiterAndNull(delimiter, nothing)
  Lines.checkOption(
    Lines.isAsciiCharacter(quote) && !/[\r\n]/.test(quote),
    "a quote of one ASCII character, no line end"
  )
  Lines.checkOption(quote !== delimiter, "a quote that is not the delimiter")
  Lines.checkOption(escape === undefined || Lines.isAsciiCharacter(escape), "an escape of one ASCII character")
  Lines.checkOption(!nothing.includes(quote), "a NULL without the quote in it")
  const separator = delimiter.charCodeAt(0)
  const quoteByte = quote.charCodeAt(0)
  const escapeByte = (escape ?? quote).charCodeAt(0)
  const nullBytes = Utf8.encodeUnsafe(nothing)

  const isSpecial = new Uint8Array(256)
  for (const byte of [separator, quoteByte, Lines.newline, Lines.carriageReturn]) isSpecial[byte] = 1

  const needsQuotes = (bytes: Uint8Array, start: number, end: number): boolean => {
    for (let at = start; at < end; at++) if (isSpecial[bytes[at]!] === 1) return true
    return Lines.equals(bytes, start, end, nullBytes) || Lines.equals(bytes, start, end, endOfData)
  }

  return {
    options: { format: "csv", delimiter, null: nothing, header, quote, escape },
    escapeValue: (out, length) => {
      const start = out.position - length
      if (!needsQuotes(out.bytes, start, out.position)) return
      const plain = out.bytes.slice(start, out.position)
      out.rewind(start)
      out.uint8(quoteByte)
      for (const byte of plain) {
        if (byte === quoteByte || byte === escapeByte) out.uint8(escapeByte)
        out.uint8(byte)
      }
      out.uint8(quoteByte)
    },
    makeScanner: () => {
      let inQuotes = false
      let escaped = false
      return {
        nextLineEnd: (bytes, start, end) => {
          for (let at = start; at < end; at++) {
            const byte = bytes[at]
            if (byte === Lines.newline && !inQuotes) return at
            // A doubled quote closes and reopens the quotes, so it needs no special case.
            if (byte === quoteByte && !escaped) inQuotes = !inQuotes
            escaped = byte === escapeByte && escapeByte !== quoteByte && inQuotes && !escaped
          }
          return end
        },
        mayEnd: () => !inQuotes
      }
    },
    splitValues: (bytes, start, end, onValue) => {
      const stop = end > start && bytes[end - 1] === Lines.carriageReturn ? end - 1 : end
      let at = start
      // One buffer for all values of the line, which no callback keeps: a buffer per value would need memory quadratic
      // in the line's length.
      let plain: Uint8Array | undefined
      for (;;) {
        const from = at
        while (at < stop && bytes[at] !== separator && bytes[at] !== quoteByte) at++
        if (at === stop || bytes[at] === separator) {
          if (Lines.equals(bytes, from, at, nullBytes)) onValue(undefined, 0, 0)
          else onValue(bytes, from, at)
        } else {
          // Quotes may open and close anywhere in a value.
          plain ??= new Uint8Array(stop - from)
          let length = 0
          while (length < at - from) plain[length] = bytes[from + length++]!
          let inQuotes = false
          for (; at < stop; at++) {
            const byte = bytes[at]!
            if (!inQuotes && byte === separator) break
            const next = bytes[at + 1]
            if (inQuotes && byte === escapeByte && at + 1 < stop && (next === quoteByte || next === escapeByte)) {
              plain[length++] = next
              at++
            } else if (byte === quoteByte) inQuotes = !inQuotes
            else plain[length++] = byte
          }
          onValue(plain, 0, length)
        }
        if (at === stop) return
        at++
      }
    },
    isEndOfData: () => false
  }
}
