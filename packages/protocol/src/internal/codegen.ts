/**
 * Generated code: its source, its compilation, and when to use it.
 *
 * Each compiled function (of a message, a row, a column) exists in two forms with the same behaviour: generated code,
 * and closures that interpret the same description. A module that compiles such functions has only its templates and
 * its closures; everything else about generated code is here, and no other module evaluates source text.
 *
 * **Not public.** The packages of Hyperfect import this module as `@hyperfect/protocol/internal/codegen`. It is no part
 * of the documented interface and may change in any release.
 *
 * @internal
 */

/** The two forms of a compiled function. */
export type Codegen = "generated" | "interpreted"

/**
 * The maximum number of fields, columns or parameters that one generated function handles.
 *
 * V8 optimises large functions badly, and some not at all. Per value, on Node 24, with six types: reading rows takes
 * 16 ns generated and 20 ns interpreted at 128 columns, but 143 ns and 20 ns at 256; writing rows takes 9 ns and 21 ns
 * at 128 columns, 26 ns and 22 ns at 192, and 64 ns and 21 ns at 384.
 */
export const maxFields = 128

type Value = ((...args: never) => unknown) | ReadonlyArray<string>
type Part = Code | boolean | number | string | Value

/** A piece of source text, which only {@link code} and {@link join} create. */
class Code {
  private readonly strings: ReadonlyArray<string>
  private readonly parts: ReadonlyArray<Part>

  constructor(strings: ReadonlyArray<string>, parts: ReadonlyArray<Part>) {
    this.strings = strings
    this.parts = parts
  }

  /** Returns the text. `nameOf` names the variable that holds a value. */
  render(nameOf: (value: Value) => string): string {
    let text = this.strings[0]!
    for (let i = 0; i < this.parts.length; i++) {
      const part = this.parts[i]!
      if (part instanceof Code) text += part.render(nameOf)
      else if (typeof part === "number" || typeof part === "boolean") text += String(part)
      else text += typeof part === "string" ? JSON.stringify(part) : nameOf(part)
      text += this.strings[i + 1]!
    }
    return text
  }
}

export type { Code }

/**
 * A tag for templates of source text.
 *
 * Data never becomes code: of what is interpolated, only other `Code` is inserted as it is. A number or boolean becomes
 * a literal, and a string a quoted literal. A function (or a list of strings) becomes a variable that holds it, so that
 * source can refer to helpers without declaring them.
 */
export const code = (strings: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Code => new Code(strings, parts)

const separators = { ", ": ", ", " && ": " && ", " || ": " || ", "": "", "\n": "\n" }

/** Joins pieces of source text. */
export const join = (pieces: ReadonlyArray<Code>, separator: keyof typeof separators = "\n"): Code =>
  new Code(["", ...new Array<string>(Math.max(0, pieces.length - 1)).fill(separators[separator]), ""], pieces)

/** Returns a property of an object literal: `"__proto__": value` would set the prototype. */
export const property = (name: string, value: Code): Code =>
  name === "__proto__" ? code`["__proto__"]: ${value}` : code`${name}: ${value}`

let isRefused = false

/** Evaluates an expression, or returns `undefined` if the runtime refuses to evaluate source text. */
const evaluate = (expression: Code): unknown => {
  const names = new Map<Value, string>()
  const text = expression.render((value) => {
    let name = names.get(value)
    if (name === undefined) names.set(value, name = `$${names.size}`)
    return name
  })
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- see `code` for what the text contains
    return new Function("values", `"use strict"\nconst [${[...names.values()].join(", ")}] = values\nreturn ${text}`)([
      ...names.keys()
    ])
  } catch (thrown) {
    // An error in the source is a bug of its template. Everything else is the runtime's way to refuse.
    if (thrown instanceof SyntaxError) throw thrown
    isRefused = true
    return undefined
  }
}

/** The form that is used unless another one is asked for. */
export const defaultCodegen: Codegen = evaluate(code`true`) === true ? "generated" : "interpreted"

/** Creates one value per back end, shared because it holds only compiled code and no message state. */
export const perCodegen = <A, C extends Codegen | undefined>(make: (codegen: C) => A): (codegen: C) => A => {
  const made = new Map<C, A>()
  return (codegen) => {
    let found = made.get(codegen)
    if (found === undefined) made.set(codegen, found = make(codegen))
    return found
  }
}

/** The two forms of a function that is compiled. */
export interface Forms<F> {
  /** The form to use; generated code by default. */
  readonly codegen: Codegen | undefined
  /** The number of fields, columns or parameters that the generated code would handle. */
  readonly fields: number
  readonly interpreted: F
  /** Returns the source of the function, as an expression. */
  readonly generated: () => Code
}

/**
 * Compiles a function: generated code, unless `codegen` asks for the interpreted form, there are more than
 * {@link maxFields} fields, or the runtime refuses to evaluate source text.
 *
 * The first refusal counts for the rest of the process: Cloudflare's workerd, for example, allows code generation while
 * modules load and refuses it after that, and each further attempt would be reported by a content security policy.
 */
export const compile = <F>({ codegen, fields, generated, interpreted }: Forms<F>): F => {
  if (codegen === "interpreted" || isRefused || fields > maxFields) return interpreted
  const compiled = evaluate(generated())
  return compiled === undefined ? interpreted : compiled as F
}

/** Counts uses of an interpreted function until compiling it pays. */
export class UseCount {
  private readonly limit: number
  private uses = 0

  /** `limit` is the number of uses at which generating code pays. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Counts a use, and returns true once: at the use that reaches the limit. */
  reaches(): boolean {
    return this.uses < this.limit && ++this.uses === this.limit
  }

  restart(): void {
    this.uses = 0
  }
}
