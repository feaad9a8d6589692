/**
 * The rows of columns that are given as arrays.
 *
 * @internal
 */
import * as ValueError from "@hyperfect/values/ValueError"
import { isReadonlyArrayNonEmpty } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

interface Column {
  readonly name: string
  readonly values: ArrayLike<unknown>
  readonly validity: Uint8Array | undefined
}

type Row = Record<string, unknown>

const batchSize = 4096

const isArrayLike = (u: unknown): u is ArrayLike<unknown> =>
  Array.isArray(u) || (ArrayBuffer.isView(u) && !(u instanceof DataView))

const mismatch = (wanted: string, found: string, name: string, index: number): unknown =>
  ValueError.atColumn(ValueError.reason("TypeMismatch", "column", undefined, wanted, found), name, index)

/** Checks the columns; `names` are those of the table. Throws a reason. */
const checkColumns = (
  names: ReadonlyArray<string>,
  given: Readonly<Record<string, unknown>>
): ReadonlyArray<Column> => {
  const columns = names.map((name, index): Column => {
    const column = Object.hasOwn(given, name) ? given[name] : undefined
    const { validity, values } = isArrayLike(column)
      ? { values: column, validity: undefined }
      : (column ?? {}) as Column
    if (!isArrayLike(values)) throw mismatch("an array", ValueError.kind(values), name, index)
    if (validity === undefined) return { name, values, validity }
    if (!(validity instanceof Uint8Array)) throw mismatch("a bitmap in bytes", ValueError.kind(validity), name, index)
    if (validity.length * 8 < values.length) {
      throw mismatch(`a bitmap of ${values.length} bits`, `${validity.length * 8} bits`, name, index)
    }
    return { name, values, validity }
  })
  const { length } = columns[0]!.values
  for (const [index, { name, values }] of columns.entries()) {
    if (values.length !== length) throw mismatch(`${length} values`, `${values.length} values`, name, index)
  }
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined) throw mismatch("no such column", "one", unknown, names.length)
  return columns
}

/** Streams the rows. The objects of a batch are those of the batch before: they are to be written at once. */
export const rowsOf = (
  names: ReadonlyArray<string>,
  given: Readonly<Record<string, unknown>>
): Stream.Stream<Row, ValueError.ValueError> =>
  Stream.unwrap(Effect.map(
    Effect.try({ try: () => checkColumns(names, given), catch: ValueError.fromThrown }),
    (columns) => {
      const { length } = columns[0]!.values
      // As entries, because a column can be called `__proto__`.
      const rows = Array.from(
        { length: Math.min(batchSize, length) },
        (): Row => Object.fromEntries(names.map((name) => [name, null]))
      )
      let next = 0
      return Stream.fromPull(Effect.succeed(Effect.suspend(() => {
        const start = next
        const count = Math.min(batchSize, length - start)
        next += count
        for (const { name, validity, values } of columns) {
          for (let i = 0; i < count; i++) {
            const at = start + i
            rows[i]![name] = validity === undefined || (validity[at >> 3]! & 1 << (at & 7)) !== 0 ? values[at] : null
          }
        }
        const batch = count === rows.length ? rows : rows.slice(0, count)
        return isReadonlyArrayNonEmpty(batch) ? Effect.succeed(batch) : Cause.done()
      })))
    }
  ))
