/**
 * SQLSTATE codes and their conditions.
 *
 * The lists are PostgreSQL's (src/backend/utils/errcodes.txt), plus two codes of Hyper. Names are those of that list in
 * PascalCase; if it uses a name twice, the name is that of its C macro.
 *
 * @since 0.1.0
 */
import { conditions } from "./internal/sqlStates.ts"

export { classes, conditions } from "./internal/sqlStates.ts"

/**
 * A code with a known condition.
 *
 * @category models
 * @since 0.1.0
 */
export type SqlState = keyof typeof conditions

/**
 * The name of a condition, such as `UniqueViolation`; `UnknownCondition` for a code that is not listed.
 *
 * @category models
 * @since 0.1.0
 */
export type Condition = (typeof conditions)[SqlState] | "UnknownCondition"

/**
 * True if the code is listed.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSqlState = (code: string): code is SqlState => Object.hasOwn(conditions, code)

/**
 * Returns the condition of a code. A code that is not listed has the condition of its class, if the class is listed.
 *
 * **Example** (By code, and by class)
 *
 * ```ts
 * import { SqlState } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(SqlState.condition("23505"), "UniqueViolation")
 * assert.equal(SqlState.condition("23ZZZ"), "IntegrityConstraintViolation")
 * assert.equal(SqlState.condition("ZZZZZ"), "UnknownCondition")
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const condition = (code: string): Condition => {
  if (isSqlState(code)) return conditions[code]
  const general = code.slice(0, 2) + "000"
  return isSqlState(general) ? conditions[general] : "UnknownCondition"
}
