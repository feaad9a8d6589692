import { afterAll, assert, describe, it, vi } from "@effect/vitest"
import type * as Codegen from "@hyperfect/protocol/internal/codegen"

/** Imports the module anew, as its memory of a refusal lasts for the rest of the process. */
const load = async (): Promise<typeof Codegen> => {
  vi.resetModules()
  return await import("@hyperfect/protocol/internal/codegen")
}

const interpreted = (): unknown => "interpreted"

/** Runs with a `Function` constructor that can be told to refuse, and counts the attempts to use it. */
const withFunction = async (
  run: (runtime: { isForbidden: boolean; attempts: number; error: () => Error }) => Promise<void>
): Promise<void> => {
  const runtime = { isForbidden: false, attempts: 0, error: (): Error => new EvalError("forbidden") }
  const original = globalThis.Function
  globalThis.Function = new Proxy(original, {
    construct: (target, parameters) => {
      runtime.attempts++
      if (runtime.isForbidden) throw runtime.error()
      return Reflect.construct(target, parameters)
    }
  })
  try {
    await run(runtime)
  } finally {
    globalThis.Function = original
  }
}

describe("Codegen", () => {
  afterAll(() => {
    vi.resetModules()
  })

  const forms = ({ code }: typeof Codegen, fields = 1, codegen?: Codegen.Codegen) => ({
    codegen,
    fields,
    interpreted,
    generated: () => code`() => "generated"`
  })

  it("generates code unless asked not to", async () => {
    const module = await load()
    assert.strictEqual(module.defaultCodegen, "generated")
    assert.strictEqual(module.compile(forms(module))(), "generated")
    assert.strictEqual(module.compile(forms(module, 1, "generated"))(), "generated")
    assert.strictEqual(module.compile(forms(module, 1, "interpreted"))(), "interpreted")
  })

  it("does not try again after a refusal while modules loaded", () =>
    withFunction(async (runtime) => {
      runtime.isForbidden = true
      const module = await load()
      assert.strictEqual(module.defaultCodegen, "interpreted")
      runtime.isForbidden = false
      const before = runtime.attempts
      assert.strictEqual(module.compile(forms(module, 1, "generated"))(), "interpreted")
      assert.strictEqual(runtime.attempts, before)
    }))

  it("does not try again after a later refusal, whatever the error", async () => {
    for (const error of [new EvalError("forbidden"), new TypeError("forbidden")]) {
      await withFunction(async (runtime) => {
        runtime.error = () => error
        const module = await load()
        const compiled = module.compile(forms(module))
        runtime.isForbidden = true
        const before = runtime.attempts
        assert.strictEqual(module.compile(forms(module))(), "interpreted")
        assert.strictEqual(runtime.attempts, before + 1)
        runtime.isForbidden = false
        assert.strictEqual(module.compile(forms(module))(), "interpreted")
        assert.strictEqual(module.compile(forms(module, 1, "generated"))(), "interpreted")
        assert.strictEqual(runtime.attempts, before + 1)
        assert.strictEqual(compiled(), "generated")
      })
    }
  })

  it("does not hide an error in its source", async () => {
    const { code, compile } = await load()
    const broken = { codegen: undefined, fields: 1, interpreted, generated: () => code`() => {` }
    assert.throws(() => compile(broken), SyntaxError)
  })

  it("interprets more fields than one function can handle well", async () => {
    const module = await load()
    assert.strictEqual(module.compile(forms(module, module.maxFields))(), "generated")
    assert.strictEqual(module.compile(forms(module, module.maxFields + 1))(), "interpreted")
  })

  it("inserts data as literals and functions as variables", async () => {
    const { code, compile, join, property } = await load()
    const strings = ["\"", "`", "${1}", "\\", "\n", "\u2028", "\ud800", "*/", "</script>", "__proto__", "constructor"]
    const numbers = [0, 1, -1, 0.5, 1e300, NaN, -Infinity]
    const increment = (value: number) => value + 1
    const program = compile<(() => unknown) | undefined>({
      codegen: "generated",
      fields: 1,
      interpreted: undefined,
      generated: () =>
        code`() => ({
        strings: [${join(strings.map((text) => code`${text}`), ", ")}],
        numbers: [${join(numbers.map((number) => code`${number}`), ", ")}],
        object: { ${join(strings.map((text, i) => property(text, code`${i}`)), ", ")} },
        calls: [${increment}(1), ${increment}(2), ${strings}[1], ${join([], ", ")}]
      })`
    })
    const object = Object.fromEntries(strings.map((text, i) => [text, i]))
    assert.deepStrictEqual(program!(), { strings, numbers, object, calls: [2, 3, "`"] })
    assert.deepStrictEqual(Object.keys(object), strings)
  })
})
