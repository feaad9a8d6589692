/**
 * CSV as COPY has it (PostgreSQL, "COPY", section "CSV Format").
 *
 * @internal
 */
import * as Lines from "./copyLines.ts"
import type { CsvOptions } from "./copyModel.ts"

/** Alone on a line it was the end of the data before PostgreSQL 18, unless it is in quotation marks. */
const endMark = Uint8Array.of(0x5c, 0x2e)

export const make = (
  { delimiter = ",", escape, header = false, null: nothing = "", quote = "\"" }: CsvOptions
): Lines.Rows => {
  Lines.checkCommon(delimiter, nothing)
  Lines.check(Lines.isByte(quote) && !/[\r\n]/.test(quote), "a quote of one ASCII character, no line end")
  Lines.check(quote !== delimiter, "a quote that is not the delimiter")
  Lines.check(escape === undefined || Lines.isByte(escape), "an escape of one ASCII character")
  Lines.check(!nothing.includes(quote), "a NULL without the quote in it")
  const separator = delimiter.charCodeAt(0)
  const quoteByte = quote.charCodeAt(0)
  const escapeByte = (escape ?? quote).charCodeAt(0)
  const nullBytes = Lines.encode(nothing)

  const isSpecial = new Uint8Array(256)
  for (const byte of [separator, quoteByte, Lines.newline, Lines.carriageReturn]) isSpecial[byte] = 1

  const needsQuotes = (bytes: Uint8Array, start: number, end: number): boolean => {
    for (let at = start; at < end; at++) if (isSpecial[bytes[at]!] === 1) return true
    return Lines.equals(bytes, start, end, nullBytes) || Lines.equals(bytes, start, end, endMark)
  }

  return {
    options: { format: "csv", delimiter, null: nothing, header, quote, escape },
    protect: (out, length) => {
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
    scan: () => {
      let inQuotes = false
      let escaped = false
      return {
        next: (bytes, start, end) => {
          for (let at = start; at < end; at++) {
            const byte = bytes[at]
            if (byte === Lines.newline && !inQuotes) return at
            // A quote that is doubled opens and closes, which comes to the same.
            if (byte === quoteByte && !escaped) inQuotes = !inQuotes
            escaped = byte === escapeByte && escapeByte !== quoteByte && inQuotes && !escaped
          }
          return end
        },
        mayEnd: () => !inQuotes
      }
    },
    split: (bytes, start, end, onValue) => {
      const stop = end > start && bytes[end - 1] === Lines.carriageReturn ? end - 1 : end
      let at = start
      // One for all values of the line, which nobody keeps: one for each would cost the square of the line's length.
      let plain: Uint8Array | undefined
      for (;;) {
        const from = at
        while (at < stop && bytes[at] !== separator && bytes[at] !== quoteByte) at++
        if (at === stop || bytes[at] === separator) {
          if (Lines.equals(bytes, from, at, nullBytes)) onValue(undefined, 0, 0)
          else onValue(bytes, from, at)
        } else {
          // Quotation marks may open and close anywhere in a value.
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
    isEnd: () => false
  }
}
