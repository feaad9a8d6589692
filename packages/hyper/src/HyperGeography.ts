/**
 * Geographies as well-known text (WKT) and well-known binary (WKB), of OGC Simple Feature Access (06-103r4), chapters 7
 * and 8.
 *
 * Hyper parses text alone, and stores coordinates of 7 decimal places in a form that other programs cannot write. It
 * drops Z and M coordinates, wraps longitudes and repairs degenerate polygons into others, all without an error (H-60):
 * here these are errors, as is everything that Hyper rejects.
 *
 * This module computes nothing with geographies. The coordinates are WGS 84 in degrees, longitude first.
 *
 * @since 0.1.0
 */
import { identifier, sql, type Statement } from "@hyperfect/client/Statement"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Result from "effect/Result"

/**
 * A longitude and a latitude, in degrees.
 *
 * @category models
 * @since 0.1.0
 */
export type Position = readonly [longitude: number, latitude: number]

const names = [
  "POINT",
  "LINESTRING",
  "POLYGON",
  "MULTIPOINT",
  "MULTILINESTRING",
  "MULTIPOLYGON",
  "GEOMETRYCOLLECTION"
] as const

/**
 * A geography.
 *
 * **Details**
 *
 * A point has one position, or none if it is empty, and a line has at least two; both have no members. The members of a
 * polygon are its rings, as lines: the outer one first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Geography {
  readonly type: typeof names[number]
  readonly positions: ReadonlyArray<Position>
  readonly members: ReadonlyArray<Geography>
}

/** The depth of collections in collections; parsing is recursive. Hyper rejects somewhat more. */
const maxDepth = 8

const fail = (wanted: string, found: string): never => {
  throw ValueError.reason("Malformed", "geography", undefined, wanted, found)
}

// -- checks

/** Hyper keeps 7 decimal places, and rejects a line whose positions are the same to that precision. */
const isSame = ([x, y]: Position, [x2, y2]: Position): boolean => Math.abs(x - x2) < 1e-7 && Math.abs(y - y2) < 1e-7

const position = (x: number, y: number): Position => {
  if (!(x >= -180 && x <= 180)) fail("a longitude from -180 to 180", `${x}`)
  if (!(y >= -90 && y <= 90)) fail("a latitude from -90 to 90", `${y}`)
  return [x, y]
}

const checkRing = (ring: ReadonlyArray<Position>): void => {
  const [first] = ring
  const second = first && ring.find((other) => !isSame(first, other))
  const last = ring.at(-1)
  if (first === undefined || last === undefined || first[0] !== last[0] || first[1] !== last[1]) {
    return fail("a ring that ends where it begins", "an open one")
  }
  const hasArea = second !== undefined &&
    ring.some(([x, y]) =>
      Math.abs((second[0] - first[0]) * (y - first[1]) - (second[1] - first[1]) * (x - first[0])) > 1e-14
    )
  if (!hasArea) fail("a ring that encloses an area", "positions on one line")
}

/** Checks and creates a geography. */
const make = (
  type: Geography["type"],
  positions: ReadonlyArray<Position>,
  members: ReadonlyArray<Geography>
): Geography => {
  if (type === "LINESTRING" && positions.length > 0 && !positions.some((other) => !isSame(positions[0]!, other))) {
    fail("a line of at least two different positions", `${positions.length} positions`)
  }
  if (type === "POLYGON") { for (const ring of members) checkRing(ring.positions) }
  // Hyper rejects these, but not in a collection.
  if (type.startsWith("MULTI") && members.some(isEmpty)) fail(`a ${type} without empty members`, "an empty one")
  return { type, positions, members }
}

const isEmpty = ({ members, positions }: Geography): boolean => positions.length === 0 && members.length === 0

const ring = (positions: ReadonlyArray<Position>): Geography => ({ type: "LINESTRING", positions, members: [] })

/** The type of the members of a MULTI... */
const memberType = (type: Geography["type"]): Geography["type"] => type.slice("MULTI".length) as Geography["type"]

const attempt = <A>(evaluate: () => A): Result.Result<A, ValueError.ValueError> =>
  Result.try({ try: evaluate, catch: ValueError.fromThrown })

// -- well-known text

const number = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y
const word = /[A-Za-z]+/y
const spaces = / */y

/** Parses text. Throws a plain `ValueError.Reason`. */
const parseText = (text: string): Geography => {
  let at = 0
  const token = (pattern: RegExp): string | undefined => {
    spaces.lastIndex = at
    at += spaces.exec(text)![0].length
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  const accept = (character: string): boolean => {
    token(spaces)
    if (text[at] !== character) return false
    at++
    return true
  }
  const unexpected = (wanted: string): never =>
    fail(`${wanted} at character ${at + 1}`, at < text.length ? "something else" : "the end of the text")
  const expect = (character: string): void => {
    if (!accept(character)) unexpected(`"${character}"`)
  }
  const coordinate = (): number => Number(token(number) ?? unexpected("a number"))
  const readPosition = (): Position => {
    const x = coordinate()
    if (text[at] !== " ") unexpected("a blank and a latitude")
    return position(x, coordinate())
  }
  const list = <A>(element: () => A): Array<A> => {
    expect("(")
    const elements = [element()]
    while (accept(",")) elements.push(element())
    expect(")")
    return elements
  }
  const body = (type: Geography["type"], depth: number): Geography => {
    switch (type) {
      case "POINT": {
        expect("(")
        const only = readPosition()
        expect(")")
        return make(type, [only], [])
      }
      case "LINESTRING":
        return make(type, list(readPosition), [])
      case "POLYGON":
        return make(type, [], list(() => ring(list(readPosition))))
      case "MULTIPOINT":
        return make(
          type,
          [],
          list(() => {
            const before = at
            const isBracketed = accept("(")
            at = before
            return isBracketed ? body("POINT", depth) : make("POINT", [readPosition()], [])
          })
        )
      case "GEOMETRYCOLLECTION":
        return make(type, [], list(() => tagged(depth + 1)))
      default:
        return make(type, [], list(() => body(memberType(type), depth)))
    }
  }
  const tagged = (depth: number): Geography => {
    if (depth > maxDepth) fail(`at most ${maxDepth} collections in each other`, "more")
    const name = token(word)?.toUpperCase()
    const type = names.find((known) => known === name)
    if (type === undefined) return unexpected("the name of a type of geography")
    const modifier = token(word)?.toUpperCase()
    if (modifier === undefined) return body(type, depth)
    if (modifier === "EMPTY") return make(type, [], [])
    return ["Z", "M", "ZM"].includes(modifier)
      ? fail("two coordinates, as Hyper stores no others", modifier)
      : unexpected(`"("`)
  }
  const parsed = tagged(0)
  token(spaces)
  return at === text.length ? parsed : unexpected("the end of the text")
}

/**
 * Parses well-known text.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromWkt = (text: string): Result.Result<Geography, ValueError.ValueError> => attempt(() => parseText(text))

/**
 * Throws a plain `ValueError.Reason` unless the text is that of a geography.
 *
 * @internal
 */
export const checkWktUnsafe = (text: string): void => void parseText(text)

const printBody = (geography: Geography): string => {
  const { members, positions, type } = geography
  if (isEmpty(geography)) return "EMPTY"
  if (members.length === 0) return `(${positions.map((pair) => pair.join(" ")).join(", ")})`
  return `(${members.map(type === "GEOMETRYCOLLECTION" ? toWkt : printBody).join(", ")})`
}

/**
 * Returns the well-known text of a geography.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toWkt = (geography: Geography): string => `${geography.type} ${printBody(geography)}`

// -- well-known binary

/** Parses bytes. Throws a plain `ValueError.Reason`. */
const parseBinary = (bytes: Uint8Array): Geography => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  let isLittle = true
  const advance = (size: number): number => {
    if (at + size > bytes.length) fail("a complete geography", `${bytes.length} bytes`)
    at += size
    return at - size
  }
  const integer = (): number => view.getUint32(advance(4), isLittle)
  const double = (): number => view.getFloat64(advance(8), isLittle)
  const readPosition = (): Position => position(double(), double())
  // A count is not trusted: each element takes bytes, and the bytes run out.
  const list = <A>(element: () => A): Array<A> => {
    const count = integer()
    const elements: Array<A> = []
    for (let i = 0; i < count; i++) elements.push(element())
    return elements
  }
  const read = (depth: number): Geography => {
    if (depth > maxDepth) fail(`at most ${maxDepth} collections in each other`, "more")
    const order = bytes[advance(1)]!
    if (order > 1) fail("the byte order 0 or 1", `${order}`)
    isLittle = order === 1
    const code = integer()
    const type = names[code - 1]
    if (type === undefined) return fail("the number of a type from 1 to 7, of two coordinates", `${code}`)
    switch (type) {
      case "POINT": {
        const [x, y] = [double(), double()]
        return make(type, Number.isNaN(x) && Number.isNaN(y) ? [] : [position(x, y)], [])
      }
      case "LINESTRING":
        return make(type, list(readPosition), [])
      case "POLYGON":
        return make(type, [], list(() => ring(list(readPosition))))
      default: {
        const littleHere = isLittle
        return make(
          type,
          [],
          list(() => {
            const member = read(depth + 1)
            isLittle = littleHere
            if (type !== "GEOMETRYCOLLECTION" && member.type !== memberType(type)) {
              fail(`members of the type ${memberType(type)}`, member.type)
            }
            return member
          })
        )
      }
    }
  }
  const parsed = read(0)
  return at === bytes.length ? parsed : fail("the end of the bytes", `${bytes.length - at} more bytes`)
}

/**
 * Parses well-known binary, in either byte order.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromWkb = (bytes: Uint8Array): Result.Result<Geography, ValueError.ValueError> =>
  attempt(() => parseBinary(bytes))

/**
 * Returns the well-known binary of a geography, little-endian.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toWkb = (geography: Geography): Uint8Array => {
  const sizeOf = ({ members, positions, type }: Geography): number => {
    if (type === "POINT") return 21
    if (type === "LINESTRING") return 9 + 16 * positions.length
    const rings = type === "POLYGON" ? 5 : 0
    return members.reduce((size, member) => size + sizeOf(member) - rings, 9)
  }
  const bytes = new Uint8Array(sizeOf(geography))
  const view = new DataView(bytes.buffer)
  let at = 0
  const integer = (value: number): void => {
    view.setUint32(at, value, true)
    at += 4
  }
  const write = ({ members, positions, type }: Geography, isRing: boolean): void => {
    if (!isRing) {
      bytes[at++] = 1
      integer(names.indexOf(type) + 1)
    }
    if (type !== "POINT") integer(type === "LINESTRING" ? positions.length : members.length)
    for (const value of type === "POINT" && positions.length === 0 ? [Number.NaN, Number.NaN] : positions.flat()) {
      view.setFloat64(at, value, true)
      at += 8
    }
    for (const member of members) write(member, type === "POLYGON")
  }
  write(geography, false)
  return bytes
}

/**
 * Returns an item of a SELECT list that reads a geography column as well-known text, under the name of the column.
 *
 * **When to use**
 *
 * Use for rows of a table with columns of the kinds `GeographyText` and `GeographyWkb`: Hyper otherwise returns its own
 * bytes.
 *
 * **Example** (Places)
 *
 * ```ts
 * import { Client, Query, Statement } from "@hyperfect/client"
 * import { Hyper, Hyperd, HyperGeography, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Place = HyperTable.make("places", { name: HyperTable.Text, at: HyperTable.GeographyText }, { temporary: true })
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   yield* Place.create
 *   yield* Place.insert([{ name: "Zurich", at: "POINT (8.54 47.37)" }])
 *   const error = yield* Effect.flip(Place.insert([{ name: "Nowhere", at: "POINT (8.54 147.37)" }]))
 *   assert.match(error.message, /row 0, column 1 "at", .*wanted a latitude from -90 to 90/)
 *   const rows = yield* client.query(Statement.sql`select name, ${HyperGeography.asText("at")} from ${Place}`).pipe(
 *     Query.rows(Place.Row)
 *   )
 *   assert.deepEqual(rows, [{ name: "Zurich", at: "POINT(8.5400000 47.3700000)" }])
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category queries
 * @since 0.1.0
 */
export const asText = (column: string): Statement => sql`CAST(${identifier(column)} AS text) AS ${identifier(column)}`
