/**
 * The protocol's function call (section "Function Call"): calls a function by its oid, without SQL.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Wire from "@hyperfect/protocol/Wire"
import * as Parameter from "@hyperfect/values/Parameter"
import type * as Type from "@hyperfect/values/Type"
import type * as Effect from "effect/Effect"
import type { QueryError } from "../../QueryError.ts"
import { writeFrontend } from "../engine/engine.ts"
import { flows, Sink } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import { refuse } from "../session/queryError.ts"
import { holdsDatetimes } from "../session/typeParts.ts"
import { type QueryRunner, runExchange } from "./runner.ts"

/** Reads the result of a function. */
class FunctionResult<A> extends Sink<A | null> {
  private readonly read: (value: Uint8Array) => A
  private value: A | null = null

  constructor(read: (value: Uint8Array) => A) {
    super()
    this.read = read
  }

  override onMessage(message: Backend.Message): void {
    if (message._tag === "FunctionCallResponse" && message.value !== null) this.value = this.read(message.value)
  }

  result(): A | null {
    return this.value
  }
}

/** @internal */
export const functionCall = <A, I>(
  runner: QueryRunner,
  gate: Gate,
  functionOid: number,
  args: ReadonlyArray<Parameter.Parameter>,
  returns: Type.Type<A, I>
): Effect.Effect<A | null, QueryError> => {
  const { dialect } = runner.engine
  if (!dialect.functionCalls) return refuse(dialect, "a function call", "")
  const text = `function ${functionOid}`
  const isText = runner.planner.statementCache.types.hasFloatDatetimes && holdsDatetimes(returns)
  const binary = isText ? undefined : returns.binary
  const format = binary === undefined ? 0 : 1
  const codec = binary ?? returns.text
  const call = (): Effect.Effect<A | null, QueryError> =>
    runExchange<A | null, FunctionResult<A>>(
      runner,
      gate,
      text,
      flows.call,
      () => new FunctionResult((value) => codec.read(value, 0, value.length, -1)),
      (out) => {
        const encoders = runner.planner.undescribedEncoders(args)
        writeFrontend(out, {
          _tag: "FunctionCall",
          functionOid,
          argumentFormats: Parameter.formats(encoders),
          arguments: Wire.asBytes(Parameter.writable(encoders, args)),
          resultFormat: format
        })
      },
      call
    )
  return gate.whenOpen(text, call)
}
