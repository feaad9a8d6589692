/**
 * Reader of HyperBinary COPY data: a signature, flags and an extension, then the values one after another, without row
 * boundaries.
 *
 * @internal
 */
import type { Column } from "../../RowWriter.ts"
import * as Type from "../../Type.ts"
import * as ValueError from "../../ValueError.ts"
import * as Numbers from "../codec/numbers.ts"
import { define } from "../codec/properties.ts"
import * as BinaryReader from "./binaryReader.ts"
import type { Reader, RowShapes } from "./format.ts"

/** "HPRCPY". */
export const signature = [0x48, 0x50, 0x52, 0x43, 0x50, 0x59, 0, 0, 0, 0, 0]

export const reader = <S extends keyof RowShapes>(shape: S, columns: ReadonlyArray<Column>): Reader<RowShapes[S]> => {
  const plan = columns.map(({ name, nullable = true, type, typeModifier = -1 }, index) => {
    const codec = type.hyper?.copy ?? type.hyper
    if (codec === undefined) {
      throw ValueError.atColumn(ValueError.noCodec(type.name, Type.hyperBinary, "a type that Hyper has"), name, index)
    }
    return { name, nullable, typeModifier, read: codec.read, size: codec.size(typeModifier) }
  })

  return BinaryReader.reader<RowShapes[S]>({
    signature,
    hasTrailer: false,
    endOfRow: (bytes, start, end) => {
      let at = start
      for (const { nullable, size } of plan) {
        if (nullable) {
          if (at >= end) return BinaryReader.incomplete(at + 1 - start)
          if (bytes[at++] !== 0) continue
        }
        if (size >= 0) at += size
        else {
          if (end - at < 4) return BinaryReader.incomplete(at + 4 - start)
          at += 4 + (Numbers.int32LE(bytes, at) >>> 0)
        }
        if (at > end) return BinaryReader.incomplete(at - start)
      }
      return at
    },
    read: (bytes, start) => {
      const object = {}
      const array: Array<unknown> = []
      let at = start
      for (const [index, { name, nullable, read, size, typeModifier }] of plan.entries()) {
        let value: unknown = null
        if (!nullable || bytes[at++] === 0) {
          const length = size >= 0 ? size : Numbers.int32LE(bytes, at)
          if (size < 0) at += 4
          try {
            value = read(bytes, at, at + length, typeModifier)
          } catch (thrown) {
            throw ValueError.atColumn(thrown, name, index)
          }
          at += length
        }
        if (shape === "object") define(object, name, value)
        else array.push(value)
      }
      return (shape === "object" ? object : array) as RowShapes[S]
    }
  })
}
