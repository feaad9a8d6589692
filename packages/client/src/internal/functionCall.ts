/**
 * The function call of the protocol (section "Function Call"): a function by its oid, without SQL.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Wire from "@hyperfect/protocol/Wire"
import * as Parameter from "@hyperfect/values/Parameter"
import type * as Type from "@hyperfect/values/Type"
import type * as Effect from "effect/Effect"
import type { QueryError } from "../QueryError.ts"
import { writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { Base } from "./exchanges.ts"
import type { Gate } from "./gate.ts"
import { type Done, type Host, outcomeOf, run } from "./host.ts"
import { forUndescribed } from "./parameters.ts"

class FunctionCall<A> extends Base<A | null> {
  private readonly read: (value: Uint8Array) => A
  private value: A | null = null

  constructor(read: (value: Uint8Array) => A, done: Done<A | null>) {
    super(states.Calling, done)
    this.read = read
  }

  onMessage(message: Backend.Message): void {
    if (message._tag !== "FunctionCallResponse" || message.value === null) return
    const { value } = message
    this.attempt(() => {
      this.value = this.read(value)
    })
  }

  protected result(): A | null {
    return this.value
  }
}

/** @internal */
export const functionCall = <A, I>(
  host: Host,
  gate: Gate,
  functionOid: number,
  args: ReadonlyArray<Parameter.Parameter>,
  returns: Type.Type<A, I>
): Effect.Effect<A | null, QueryError> => {
  const text = `function ${functionOid}`
  const format = returns.binary === undefined ? 0 : 1
  const codec = returns.binary ?? returns.text
  const call = (): Effect.Effect<A | null, QueryError> =>
    run<A | null>(
      host,
      gate,
      text,
      (done) => {
        const read = (value: Uint8Array) => codec.read(value, 0, value.length, -1)
        const exchange: FunctionCall<A> = new FunctionCall(read, (exit) => done(outcomeOf(exit, exchange, text)))
        return exchange
      },
      (out) => {
        const encoders = forUndescribed(args)
        writeFrontend(out, {
          _tag: "FunctionCall",
          functionOid,
          argumentFormats: Parameter.formats(encoders),
          arguments: Wire.inPlace(Parameter.writable(encoders, args)),
          resultFormat: format
        })
      },
      call
    )
  return gate.pass(text, call)
}
