/**
 * Properties with untrusted names, such as `__proto__`.
 *
 * @internal
 */

/** Defines an own property under any name. */
export const define = (object: object, name: string, value: unknown): void => {
  if (name !== "__proto__") (object as Record<string, unknown>)[name] = value
  else Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
}

/** Reads a property, ignoring an inherited `__proto__`. */
export const property = (object: object, name: string): unknown =>
  name !== "__proto__" || Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined
