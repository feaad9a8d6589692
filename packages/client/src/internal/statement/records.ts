/**
 * Values in anonymous records, such as `row(1, 'red'::color)`. Their types are known only from the values, so an
 * unknown type is found only when the rows have arrived. Until it has been looked up, its values are `UnknownValue`s
 * that hold all their bytes: those of a collected result are decoded before it is returned; for streams, the next
 * stream decodes them.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Preset from "@hyperfect/values/Preset"
import * as UnknownValue from "@hyperfect/values/UnknownValue"
import * as Effect from "effect/Effect"
import type { QueryError } from "../../QueryError.ts"
import type { ColumnsResult, FieldDescription, QueryResult } from "../../QueryResult.ts"
import type { RowsDecoder } from "../engine/resultDecoders.ts"
import { type StatementLike, trySync } from "../session/queryError.ts"
import type { TypeCatalogue } from "./typeCatalogue.ts"

const record = BuiltIn.record(() => undefined)

const isRecord = ({ typeOid }: RowDescription.FieldDescription): boolean =>
  typeOid === record.oid || typeOid === record.arrayOid

/** True if rows with these columns may hold values whose types are known only from the values. */
export const holdRecords = (fields: ReadonlyArray<RowDescription.FieldDescription>): boolean => fields.some(isRecord)

/** Returns the replacement of a value. */
type Visit = (value: UnknownValue.UnknownValue, column: string) => unknown

/** A mutable container of values that no consumer has received yet. */
type Holder = { [key: string | number]: unknown }

const visitPart = (holder: Holder, key: string | number, column: string, visit: Visit): void => {
  const value = holder[key]
  if (UnknownValue.isUnknownValue(value)) holder[key] = visit(value, column)
  else if (Array.isArray(value)) visitParts(value, column, visit)
}

const visitParts = (parts: ReadonlyArray<unknown>, column: string, visit: Visit): void => {
  for (let i = 0; i < parts.length; i++) visitPart(parts as unknown as Holder, i, column, visit)
}

const visitRow = (fields: ReadonlyArray<FieldDescription>, row: object, visit: Visit): void => {
  for (const [i, field] of fields.entries()) {
    if (isRecord(field)) visitPart(row as Holder, Array.isArray(row) ? i : field.name, field.name, visit)
  }
}

const visitResult = (result: QueryResult<object> | ColumnsResult, visit: Visit): void => {
  if ("rows" in result) { for (const row of result.rows) visitRow(result.fields, row, visit) }
  else {
    for (const [i, column] of result.columns.entries()) {
      const field = result.fields[i]!
      if (isRecord(field) && column._tag === "Values") visitParts(column.values, field.name, visit)
    }
  }
}

/** Makes what completes the records in the results of a statement that is read by a preset. */
export const makeRecords = (
  types: TypeCatalogue,
  preset: Preset.Preset,
  resolve: (oids: ReadonlyArray<number>) => Effect.Effect<void>
) => {
  const read = (value: UnknownValue.UnknownValue, column: string): unknown => {
    const { bytes, typeOid } = value
    const type = types.registry.find(typeOid)
    const binary = type && preset(type, column).binary
    return binary === undefined ? value : binary.read(bytes, 0, bytes.length, -1)
  }

  /** Decodes the values of a result whose types were unknown, after looking them up. */
  const complete = <A>(result: A, statement: StatementLike): Effect.Effect<A, QueryError> => {
    const gathered = result as QueryResult<object> | ColumnsResult | object | undefined
    if (gathered === undefined || !("fields" in gathered)) return Effect.succeed(result)
    const oids = new Set<number>()
    visitResult(gathered, (value) => {
      oids.add(value.typeOid)
      return value
    })
    if (oids.size === 0) return Effect.succeed(result)
    types.meet(oids)
    const decode = () => {
      visitResult(gathered, read)
      return result
    }
    return Effect.flatMap(resolve([...oids]), () => trySync(statement, decode))
  }

  /** Returns a decoder that notes unknown types, so that they are looked up for the next statement. */
  const watch = <Row>(known: RowsDecoder<Row>): RowsDecoder<Row> => {
    const { fields, reader } = known
    return {
      ...known,
      reader: (bytes, start, end) => {
        const row = reader(bytes, start, end)
        visitRow(fields, row as object, (value) => {
          types.meet([value.typeOid])
          return value
        })
        return row
      }
    }
  }

  return { complete, watch }
}

/** @internal */
export type Records = ReturnType<typeof makeRecords>
