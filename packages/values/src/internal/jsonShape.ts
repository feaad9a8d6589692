/**
 * The shape of a JSON document, and code that reads documents of one shape.
 *
 * A shape is all that the documents of a column usually have in common: the names of the properties with the blanks around
 * them, and where values are. The code compares the first and reads the second, and makes an object as a literal. Anything
 * else is a miss and for `JSON.parse`, which also alone says what is no JSON: the code never takes what `JSON.parse` refuses.
 *
 * Nothing of a document gets into the code but the names of properties, as JSON string literals, and numbers.
 *
 * @internal
 */
import * as JsonScalar from "./jsonScalar.ts"

interface Field {
  /** All that is before the value: a brace or a comma, the name, the colon and the blanks. */
  readonly before: string
  readonly name: string
  readonly value: Shape
}

export type Shape =
  /** Any value that is not made of others, or an empty array or object. */
  | { readonly _tag: "Scalar" }
  /** Values of one shape, of any number. */
  | { readonly _tag: "Array"; readonly element: Shape }
  | { readonly _tag: "Object"; readonly fields: ReadonlyArray<Field>; readonly after: string }

/** Larger documents would need much code, which few others may have the shape of. */
const [maxLength, maxDepth, maxValues] = [2048, 8, 64]

/**
 * What is gained are the names. Long strings, which more bytes for each value mostly are, and numbers in arrays are read at
 * least as fast natively (measured on Node 24).
 */
const [maxBytesAValue, maxValuesAName] = [40, 2]

const scalar: Shape = { _tag: "Scalar" }

const blanks = /[ \t\n\r]*/y
const scalarText = /"(?:[^"\\]|\\.)*"|[^\s",:{}[\]]+/y
/** A name without escapes, in ASCII: one that is as many bytes as characters, and the same ones. */
const nameText = /"([ !#-[\]-~]*)"/y

/**
 * The shape of a document, which `JSON.parse` must have taken; `undefined` when it is too large, or no code should be made
 * for it.
 */
export const of = (text: string): Shape | undefined => {
  let at = 0
  /** What code would be needed for, which elements of an array share. */
  let values = 0
  /** What there is, and how much of it has a name. */
  let [read, named] = [0, 0]

  const skip = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at = pattern.lastIndex
    return found ?? undefined
  }

  const value = (depth: number): Shape | undefined => {
    read++
    if (++values > maxValues || depth > maxDepth) return undefined
    if (text[at] === "{") return text[at + 1] === "}" ? empty() : object(depth)
    if (text[at] === "[") return text[at + 1] === "]" ? empty() : array(depth)
    return skip(scalarText) && scalar
  }

  const empty = (): Shape => {
    at += 2
    return scalar
  }

  const object = (depth: number): Shape | undefined => {
    const fields: Array<Field> = []
    const names = new Set(["__proto__"]) // which a literal would take for the prototype
    let from = at
    while (text[at] === "{" || text[at] === ",") {
      at++
      skip(blanks)
      const name = skip(nameText)?.[1]
      if (name === undefined || names.has(name)) return undefined
      names.add(name)
      skip(blanks)
      at++
      skip(blanks)
      const before = text.slice(from, at)
      named++
      const shape = value(depth + 1)
      if (shape === undefined) return undefined
      fields.push({ before, name, value: shape })
      from = at
      skip(blanks)
    }
    at++
    return { _tag: "Object", fields, after: text.slice(from, at) }
  }

  /** The elements have to be of one shape, with a comma and at most a blank between them. */
  const array = (depth: number): Shape | undefined => {
    let element: Shape | undefined
    while (text[at] === "[" || text[at] === ",") {
      at += text[at] === "," && text[at + 1] === " " ? 2 : 1
      const before = values
      const shape = value(depth + 1)
      if (shape === undefined || (element !== undefined && !same(shape, element))) return undefined
      // The same code reads them all.
      if (element !== undefined) values = before
      element = shape
    }
    if (text[at] !== "]") return undefined
    at++
    return element && { _tag: "Array", element }
  }

  const shape = text.length > maxLength ? undefined : value(0)
  const isWorthwhile = text.length <= read * maxBytesAValue && read <= named * maxValuesAName
  return at === text.length && isWorthwhile ? shape : undefined
}

/** Whether code for one shape reads documents of the other. */
export const same = (a: Shape, b: Shape): boolean => {
  if (a._tag === "Array") return b._tag === "Array" && same(a.element, b.element)
  if (a._tag === "Scalar") return b._tag === "Scalar"
  return b._tag === "Object" && a.after === b.after && a.fields.length === b.fields.length &&
    a.fields.every(({ before, value }, i) => before === b.fields[i]!.before && same(value, b.fields[i]!.value))
}

/** Reads the document that is `bytes[start, end)`, or gives `miss`. */
export type ReadShape = (bytes: Uint8Array, start: number, end: number) => unknown

/** A document that is so many times longer than the one that was learned from is not what the code was made for. */
const maxGrowth = 4

/** Longer texts are compared by a loop, which is as fast and takes a quarter of the memory (measured on Node 24). */
const maxUnrolled = 12

/** Goes over a text that has to be at `p`. */
const expect = (text: string): string => {
  const differs = text.length > maxUnrolled
    ? `!isAt(b, p, ${JSON.stringify(text)})`
    : Array.from(text, (_, i) => `b[p + ${i}] !== ${text.charCodeAt(i)}`).join(" || ")
  return `if (${differs}) return miss; p += ${text.length}`
}

/** Code that reads a value at `p` into a variable, and goes over it. In the code `b` are the bytes, and `e` is their end. */
const readInto = (variable: string, shape: Shape): string => {
  const scalar = `${variable} = scalar(b, p, e); if (${variable} === miss) return miss; p = end()`
  switch (shape._tag) {
    case "Scalar":
      return scalar
    case "Array":
      return `if (b[p] !== 0x5b || b[p + 1] === 0x5d) { ${scalar} }
      else {
        p++
        ${variable} = []
        for (;;) {
          let ${variable}_
          ${readInto(`${variable}_`, shape.element)}
          ${variable}.push(${variable}_)
          if (b[p] === 0x2c) p += b[p + 1] === 0x20 ? 2 : 1
          else if (b[p] === 0x5d) { p++; break }
          else return miss
        }
      }`
    case "Object": {
      const fields = shape.fields.map(({ before, value }, i) =>
        `let ${variable}_${i}
        ${expect(before)}
        ${readInto(`${variable}_${i}`, value)}`
      )
      const literal = shape.fields.map(({ name }, i) => `${JSON.stringify(name)}: ${variable}_${i}`)
      return `if (b[p] !== 0x7b || b[p + 1] === 0x7d) { ${scalar} }
      else {
        ${fields.join("\n")}
        ${expect(shape.after)}
        ${variable} = { ${literal.join(", ")} }
      }`
    }
  }
}

const tools = { end: JsonScalar.end, isAt: JsonScalar.isAt, miss: JsonScalar.miss, scalar: JsonScalar.read }

/** The code for the shape of a text. Documents that are much longer than that are misses before they are looked at. */
export const compile = (shape: Shape, text: string): ReadShape => {
  const body = `"use strict"
const { ${Object.keys(tools).join(", ")} } = tools
return (b, p, e) => {
  if (e - p > ${text.length * maxGrowth}) return miss
  let v
  ${readInto("v", shape)}
  return p === e ? v : miss
}`
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  return new Function("tools", body)(tools) as ReadShape
}
