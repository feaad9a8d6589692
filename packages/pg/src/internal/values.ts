/**
 * Values as `pg` sends them: as text, of which the server decides the type, or as the bytes of a buffer.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import type * as Type from "@hyperfect/values/Type"
import { Buffer } from "node:buffer"

/** A text without a declared type. */
const text: Type.Type<string> = {
  ...BuiltIn.text,
  oid: 0,
  prefersText: true,
  hyper: BuiltIn.text.hyper && { ...BuiltIn.text.hyper, needsModifier: true }
}

/** Bytes without a declared type, in the binary format. */
const bytes: Type.Type<Uint8Array> = { ...BuiltIn.bytea, oid: 0 }

interface ToPostgres {
  readonly toPostgres: (prepare: (value: unknown) => unknown) => unknown
}

const digits = (value: number, length = 2): string => String(value).padStart(length, "0")

/** Returns the local time of a date with its offset, so that columns without a time zone have the local time. */
const dateText = (date: Date): string => {
  const offset = -date.getTimezoneOffset()
  const year = date.getFullYear()
  const day = [digits(year < 1 ? 1 - year : year, 4), digits(date.getMonth() + 1), digits(date.getDate())].join("-")
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => digits(part)).join(":")
  const minutes = Math.abs(offset)
  const zone = `${offset < 0 ? "-" : "+"}${digits(Math.floor(minutes / 60))}:${digits(minutes % 60)}`
  return `${day}T${time}.${digits(date.getMilliseconds(), 3)}${zone}${year < 1 ? " BC" : ""}`
}

const asBytes = (view: ArrayBufferView): Uint8Array =>
  view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

const elementText = (value: unknown): string => {
  if (value === null || value === undefined) return "NULL"
  if (Array.isArray(value)) return arrayText(value)
  const plain = ArrayBuffer.isView(value) ? `\\x${Buffer.from(asBytes(value)).toString("hex")}` : toPlain(value)
  return plain === null ? "NULL" : `"${String(plain).replaceAll(/[\\"]/g, "\\$&")}"`
}

const arrayText = (values: ReadonlyArray<unknown>): string => `{${values.map(elementText).join()}}`

/** Returns the text, the bytes, or null for a value. `seen` has the objects that were asked for another value. */
const toPlain = (value: unknown, seen: ReadonlyArray<object> = []): string | Uint8Array | null => {
  if (value === null || value === undefined) return null
  if (typeof value !== "object") return String(value as string | number | bigint | boolean)
  if (ArrayBuffer.isView(value)) return asBytes(value)
  if (value instanceof Date) return dateText(value)
  if (Array.isArray(value)) return arrayText(value)
  if (typeof (value as Partial<ToPostgres>).toPostgres !== "function") return JSON.stringify(value) ?? null
  if (seen.includes(value)) throw new TypeError("circular reference in the values of toPostgres")
  return toPlain((value as ToPostgres).toPostgres((value) => toPlain(value)), [...seen, value])
}

/** Returns the parameter for a value. */
export const toParameter = (value: unknown): Parameter.Parameter | null => {
  const plain = toPlain(value)
  return plain === null ? null : typeof plain === "string" ? Parameter.make(plain, text) : Parameter.make(plain, bytes)
}
