/**
 * PostgreSQL's geometric types.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Geometry from "../Geometry.ts"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as NumberText from "../internal/text/number.ts"
import type { Type } from "../Type.ts"

/** The numbers of a value, and the flag that only a path has. */
interface Coordinates {
  readonly numbers: ReadonlyArray<number>
  readonly closed?: boolean | undefined
}

interface GeometricType<A> {
  readonly delimiter?: number
  readonly schema: Schema.Schema<A>
  /**
   * The number of coordinates in a value; `undefined` for any even number of at least 2, which the binary format then
   * stores.
   */
  readonly size: number | undefined
  readonly wanted: string
  readonly take: (value: A) => Coordinates
  readonly make: (numbers: ReadonlyArray<number>, closed: boolean) => A
  readonly print: (numbers: ReadonlyArray<string>, closed: boolean) => string
}

const number = "(-?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?|NaN|-?Infinity)"
const numberPattern = new RegExp(number, "g")

const make = <A>(name: string, oid: number, arrayOid: number, shape: GeometricType<A>): Type<A> => {
  const { delimiter, print, schema, size, take, wanted } = shape
  const is: (u: unknown) => u is A = Schema.is(schema)
  const hasFlag = name === "path"

  /** A text is accepted if it equals the printed form of its own numbers, however those are written. */
  const parse = (text: string): A | undefined => {
    const found = text.match(numberPattern) ?? []
    if (found.length === 0 || (size === undefined ? found.length % 2 !== 0 : found.length !== size)) return undefined
    const closed = hasFlag && text.startsWith("(")
    return text === print(found, closed) ? shape.make(found.map(NumberText.parsePart), closed) : undefined
  }

  return {
    name,
    oid,
    arrayOid,
    delimiter,
    schema,
    text: Codec.text(name, wanted, parse, (value: A) => {
      if (!is(value)) return Codec.typeMismatch(name, 0, wanted, value)
      const { closed = false, numbers } = take(value)
      return print(numbers.map(NumberText.format), closed)
    }),
    binary: {
      read: (bytes, start, end) => {
        let at = start + (hasFlag ? 1 : 0)
        const closed = hasFlag && bytes[start] === 1
        let count = size ?? -1
        if (size === undefined && end - at >= 4) {
          count = Numbers.int32(bytes, at) * 2
          at += 4
        }
        if (count <= 0 || end - at !== count * 8) return Codec.malformed(name, 1, wanted, `${end - start} other bytes`)
        const numbers: Array<number> = []
        for (; at < end; at += 8) numbers.push(Numbers.float64(bytes, at))
        return shape.make(numbers, closed)
      },
      write: (out, value) => {
        if (!is(value)) return Codec.typeMismatch(name, 1, wanted, value)
        const { closed = false, numbers } = take(value)
        if (hasFlag) out.uint8(closed ? 1 : 0)
        if (size === undefined) out.int32(numbers.length / 2)
        for (const number of numbers) out.float64(number)
      }
    }
  }
}

const pointAt = (numbers: ReadonlyArray<number>, at: number): Geometry.Point => ({
  x: numbers[at]!,
  y: numbers[at + 1]!
})

const pointsOf = (numbers: ReadonlyArray<number>): ReadonlyArray<Geometry.Point> =>
  Array.from({ length: numbers.length / 2 }, (_, i) => pointAt(numbers, i * 2))

const numbersOf = (points: ReadonlyArray<Geometry.Point>): ReadonlyArray<number> => points.flatMap(({ x, y }) => [x, y])

const printPoints = (numbers: ReadonlyArray<string>): string =>
  Array.from({ length: numbers.length / 2 }, (_, i) => `(${numbers[i * 2]},${numbers[i * 2 + 1]})`).join(",")

/**
 * `point`.
 *
 * @category types
 * @since 0.1.0
 */
export const point: Type<Geometry.Point> = make("point", 600, 1017, {
  schema: Geometry.Point,
  size: 2,
  wanted: "{ x, y }",
  take: (value) => ({ numbers: numbersOf([value]) }),
  make: (numbers) => pointAt(numbers, 0),
  print: printPoints
})

/**
 * `line`.
 *
 * @category types
 * @since 0.1.0
 */
export const line: Type<Geometry.Line> = make("line", 628, 629, {
  schema: Geometry.Line,
  size: 3,
  wanted: "{ a, b, c }",
  take: ({ a, b, c }) => ({ numbers: [a, b, c] }),
  make: ([a, b, c]) => ({ a: a!, b: b!, c: c! }),
  print: (numbers) => `{${numbers.join(",")}}`
})

/**
 * `lseg`, a line segment between two points.
 *
 * @category types
 * @since 0.1.0
 */
export const lseg: Type<Geometry.Segment> = make("lseg", 601, 1018, {
  schema: Geometry.Segment,
  size: 4,
  wanted: "{ from, to } of points",
  take: ({ from, to }) => ({ numbers: numbersOf([from, to]) }),
  make: (numbers) => ({ from: pointAt(numbers, 0), to: pointAt(numbers, 2) }),
  print: (numbers) => `[${printPoints(numbers)}]`
})

/**
 * `box`, whose arrays have semicolons between the elements.
 *
 * @category types
 * @since 0.1.0
 */
export const box: Type<Geometry.Box> = make("box", 603, 1020, {
  delimiter: 0x3b,
  schema: Geometry.Box,
  size: 4,
  wanted: "{ high, low } of points",
  take: ({ high, low }) => ({ numbers: numbersOf([high, low]) }),
  make: (numbers) => ({ high: pointAt(numbers, 0), low: pointAt(numbers, 2) }),
  print: printPoints
})

/**
 * `path`.
 *
 * @category types
 * @since 0.1.0
 */
export const path: Type<Geometry.Path> = make("path", 602, 1019, {
  schema: Geometry.Path,
  size: undefined,
  wanted: "{ closed, points }",
  take: ({ closed, points }) => ({ numbers: numbersOf(points), closed }),
  make: (numbers, closed) => ({ closed, points: pointsOf(numbers) }),
  print: (numbers, closed) => closed ? `(${printPoints(numbers)})` : `[${printPoints(numbers)}]`
})

/**
 * `polygon`.
 *
 * @category types
 * @since 0.1.0
 */
export const polygon: Type<Geometry.Polygon> = make("polygon", 604, 1027, {
  schema: Geometry.Polygon,
  size: undefined,
  wanted: "{ points }",
  take: ({ points }) => ({ numbers: numbersOf(points) }),
  make: (numbers) => ({ points: pointsOf(numbers) }),
  print: (numbers) => `(${printPoints(numbers)})`
})

/**
 * `circle`.
 *
 * @category types
 * @since 0.1.0
 */
export const circle: Type<Geometry.Circle> = make("circle", 718, 719, {
  schema: Geometry.Circle,
  size: 3,
  wanted: "{ center, radius }",
  take: ({ center, radius }) => ({ numbers: [center.x, center.y, radius] }),
  make: (numbers) => ({ center: pointAt(numbers, 0), radius: numbers[2]! }),
  print: ([x, y, radius]) => `<(${x},${y}),${radius}>`
})
