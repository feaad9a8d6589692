/**
 * The types that have been looked up, in addition to the built-in ones.
 *
 * Each state is immutable: a decoder that was made with it reads all values in the same way, whatever is added
 * meanwhile. All states share one map, because many statements may keep the state with which they were prepared.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"

/** Types by their OIDs, and types of extensions by their names. */
export type KnownTypes = Pick<TypeRegistry.TypeRegistry, "find" | "findByName">

/** A type, and the revision in which it was added. */
interface Entry {
  readonly type: Type.Any
  readonly revision: number
}

/** @internal */
export class LookedUpTypes {
  /** The current state. */
  known: KnownTypes
  private readonly initial: KnownTypes
  private readonly entries = new Map<number, Entry>()
  private revision = 0

  constructor(initial: KnownTypes) {
    this.initial = initial
    this.known = initial
  }

  add(types: Iterable<Type.Any>): void {
    const { entries, initial } = this
    const revision = ++this.revision
    for (const type of types) {
      const entry = entries.get(type.oid)
      if (entry === undefined || entry.revision === revision) entries.set(type.oid, { type, revision })
    }
    const find = (oid: number): Type.Any | undefined => {
      if (oid === record.oid) return record
      if (oid === records.oid) return records
      const entry = entries.get(oid)
      return entry !== undefined && entry.revision <= revision ? entry.type : initial.find(oid)
    }
    const record = BuiltIn.record(find)
    const records = BuiltIn.array(record)
    this.known = { find, findByName: initial.findByName }
  }
}
