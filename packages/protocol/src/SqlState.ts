/**
 * The conditions that a SQLSTATE stands for.
 *
 * The lists are PostgreSQL's own (src/backend/utils/errcodes.txt), with two codes of Hyper's. Names are those of that list in
 * PascalCase; where it uses a name twice, the name is that of its C macro.
 *
 * @since 0.1.0
 */
import { conditions } from "./internal/sqlStates.ts"

export { classes, conditions } from "./internal/sqlStates.ts"

/**
 * A code that has a condition.
 *
 * @category models
 * @since 0.1.0
 */
export type SqlState = keyof typeof conditions

/**
 * The name of a condition, such as `UniqueViolation`; `UnknownCondition` for a code that is in no list.
 *
 * @category models
 * @since 0.1.0
 */
export type Condition = (typeof conditions)[SqlState] | "UnknownCondition"

/**
 * Whether the code is in the list.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSqlState = (code: string): code is SqlState => Object.hasOwn(conditions, code)

/**
 * The condition of a code. A code that is not in the list has the condition of its class, if that is there.
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
