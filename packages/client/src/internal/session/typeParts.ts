/**
 * Searches for types within types.
 *
 * @internal
 */
import * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"

/** True if a type, the base type of a domain, or a part such as the elements of an array, has one of these OIDs. */
export const holdsType = (type: Type.Any, oids: ReadonlySet<number>): boolean => {
  let found = oids.has(Type.underlying(type).oid)
  type.mapParts?.((part) => {
    found ||= holdsType(part, oids)
    return part
  })
  return found
}

/** Records hold values of any types. */
const recordOids = [2249, 2287]

const datetimeOids = new Set([...TypeRegistry.oidsOf("time"), ...recordOids])

/**
 * True if a type contains a value that is a floating-point number in the binary format of servers without
 * `integer_datetimes`.
 */
export const holdsDatetimes = (type: Type.Any): boolean => holdsType(type, datetimeOids)
