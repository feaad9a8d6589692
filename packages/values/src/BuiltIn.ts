/**
 * The types that both servers or one of them have without being told, each as a `Type` with its codecs.
 *
 * @since 0.1.0
 */
export * from "./types/arrays.ts"
export * from "./types/bits.ts"
export * from "./types/boolean.ts"
export * from "./types/bytea.ts"
export * from "./types/composites.ts"
export * from "./types/dates.ts"
export * from "./types/enums.ts"
export * from "./types/floats.ts"
export * from "./types/geography.ts"
export * from "./types/geometry.ts"
export * from "./types/integers.ts"
export * from "./types/interval.ts"
export * from "./types/json.ts"
export * from "./types/money.ts"
export * from "./types/network.ts"
export * from "./types/numeric.ts"
export * from "./types/ranges.ts"
export * from "./types/system.ts"
export * from "./types/text.ts"
export * from "./types/textual.ts"
export * from "./types/timetz.ts"
export * from "./types/uuid.ts"
export * from "./types/vectors.ts"
