/**
 * PostgreSQL's geometric values, as plain data in the plane.
 *
 * They compare with Effect's `Equal`, as all plain objects do.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A point.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Point = Schema.Struct({ x: Schema.Number, y: Schema.Number })

/**
 * The value of a {@link Point}.
 *
 * @category models
 * @since 0.1.0
 */
export type Point = typeof Point.Type

/**
 * All points with `a * x + b * y + c = 0`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Line = Schema.Struct({ a: Schema.Number, b: Schema.Number, c: Schema.Number })

/**
 * The value of a {@link Line}.
 *
 * @category models
 * @since 0.1.0
 */
export type Line = typeof Line.Type

/**
 * The straight line from one point to another.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Segment = Schema.Struct({ from: Point, to: Point })

/**
 * The value of a {@link Segment}.
 *
 * @category models
 * @since 0.1.0
 */
export type Segment = typeof Segment.Type

/**
 * A rectangle by its upper right and its lower left corner; the server puts them in this order.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Box = Schema.Struct({ high: Point, low: Point })

/**
 * The value of a {@link Box}.
 *
 * @category models
 * @since 0.1.0
 */
export type Box = typeof Box.Type

/**
 * Points with straight lines between them. A closed path has one from the last to the first as well.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Path = Schema.Struct({ closed: Schema.Boolean, points: Schema.Array(Point).check(Schema.isMinLength(1)) })

/**
 * The value of a {@link Path}.
 *
 * @category models
 * @since 0.1.0
 */
export type Path = typeof Path.Type

/**
 * An area, by its corners.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Polygon = Schema.Struct({ points: Schema.Array(Point).check(Schema.isMinLength(1)) })

/**
 * The value of a {@link Polygon}.
 *
 * @category models
 * @since 0.1.0
 */
export type Polygon = typeof Polygon.Type

/**
 * A circle.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Circle = Schema.Struct({ center: Point, radius: Schema.Number })

/**
 * The value of a {@link Circle}.
 *
 * @category models
 * @since 0.1.0
 */
export type Circle = typeof Circle.Type
