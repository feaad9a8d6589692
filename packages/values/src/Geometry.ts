/**
 * PostgreSQL's geometric types, as plain data.
 *
 * Effect's `Equal` compares them by value, as it does all plain objects.
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
 * The line of all points with `a * x + b * y + c = 0`.
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
 * A line segment between two points.
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
 * A rectangle, as its upper right and lower left corners; the server normalises their order.
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
 * Points connected by line segments. A closed path also connects the last point to the first.
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
 * A polygon, as its corners.
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
