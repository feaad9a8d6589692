/**
 * Detection of NULL in rows.
 *
 * @internal
 */
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import type { ObjectRow } from "../../RowReader.ts"
import { property } from "../codec/properties.ts"

const { code, join } = Codegen

const isNull = (name: string): Codegen.Code =>
  name === "__proto__" ? code`${property}(row, ${name}) === null` : code`row[${name}] === null`

/** Creates a predicate that is true if one of these properties of a row is null. */
export const anyOf = (names: ReadonlyArray<string>): (row: ObjectRow) => boolean =>
  Codegen.compile<(row: ObjectRow) => boolean>({
    codegen: undefined,
    fields: names.length,
    interpreted: (row) => names.some((name) => property(row, name) === null),
    generated: () => code`(row) => ${join([...names.map(isNull), code`false`], " || ")}`
  })
