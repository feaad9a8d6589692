/** Checks that no text of a type, a value or a server becomes part of generated code. */
import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { BindWriter, BuiltIn, Columns, CopyFormat, RowReader, type Type } from "@hyperfect/values"

const marker = "evil"

/** Code that would run if a text were spliced into generated code without quoting. */
const payloads = [
  marker,
  `");${marker}();("`,
  `\`+${marker}()+\``,
  `*/${marker}()/*`,
  `\u2028${marker}()`,
  `\\");${marker}()//`
]

/** Calls a function, and returns the sources of all functions that it compiles. */
const sourcesOf = (run: () => void): ReadonlyArray<string> => {
  const sources: Array<string> = []
  const { Function: original } = globalThis
  globalThis.Function = new Proxy(original, {
    construct(target, parts: Array<string>) {
      sources.push(parts.join("\n"))
      return Reflect.construct(target, parts) as object
    }
  })
  try {
    run()
  } finally {
    globalThis.Function = original
  }
  return sources
}

/** Adds hostile texts wherever source text could be looked for, and replaces all texts of a type by them. */
const hostile = (type: Type.Any, text: string): Type.Any => {
  const source = {
    size: text,
    read: text,
    code: text,
    refuses: text,
    helper: text,
    store: { refuses: text, code: () => text },
    write: { _tag: "Fixed", sample: 0, refuses: text, code: text }
  }
  const texts = { source, sources: source, inline: source, storage: text, code: text, refuses: text, helper: text }
  return Object.assign({ ...type }, texts, {
    name: text,
    delimiter: text,
    text: Object.assign({}, type.text, texts, { size: text }),
    binary: type.binary && Object.assign({}, type.binary, texts, { size: text }),
    hyper: type.hyper && Object.assign({}, type.hyper, texts)
  })
}

/** Gives a type functions of its own, as a type of a program has. */
const ownFunctions = (type: Type.Any): Type.Any => {
  const wrap = <C extends Type.Codec<unknown, never>>({ read, write, ...rest }: C) => ({
    ...rest,
    read: ((...args) => read(...args)) as typeof read,
    write: ((...args) => write(...args)) as typeof write
  })
  return Object.assign({ ...type }, {
    text: wrap(type.text),
    binary: type.binary && wrap(type.binary),
    hyper: type.hyper && wrap(type.hyper)
  })
}

/** Removes the string literals from a source. */
const withoutStrings = (source: string): string => source.replaceAll(/"(?:[^"\\\n]|\\.)*"/g, `""`)

/** Encodes the body of a DataRow with one JSON value. */
const jsonRow = (text: string): Uint8Array => {
  const out = ByteWriter.make(64)
  out.int16(1)
  out.int32(0)
  out.utf8(text)
  out.setInt32(2, out.size - 6)
  return out.take()
}

const many = 2000

describe("generated code", () => {
  it.each(payloads)("contains no texts of types, and names only as string literals: %j", (text) => {
    const builtIn = [BuiltIn.int4, BuiltIn.text, BuiltIn.numeric, BuiltIn.timestamptz]
    const types = [...builtIn, ...builtIn.map(ownFunctions)].map((type) => hostile(type, text))
    const columns = types.map((type, i) => ({
      name: `${text}${i}`,
      type,
      typeOid: type.oid,
      typeModifier: 8,
      nullable: true
    }))
    const named = Object.fromEntries(columns.map(({ name }) => [name, null]))
    const wide = Array.from({ length: 200 }, (_, i) => ({ ...columns[0]!, name: `${text}${i}` }))
    const json = { name: text, typeOid: BuiltIn.jsonb.oid, typeModifier: -1, type: hostile(BuiltIn.jsonb, text) }
    const out = ByteWriter.make(64)
    const codegen = "generated"
    const sources = sourcesOf(() => {
      for (const formats of [0, 1, 2] as const) {
        RowReader.objectsUnsafe({ columns, formats, codegen })
        RowReader.objectsUnsafe({ columns: wide, formats, codegen })
        RowReader.arraysUnsafe({ columns, formats, codegen })
        Columns.make({ columns, formats, codegen })()
      }
      for (const format of [CopyFormat.binary, CopyFormat.hyperBinary]) {
        format.writer("object", columns).row(out, named, 0)
        format.writer("array", columns).row(out, columns.map(() => null), 0)
      }
      const bind = BindWriter.make({ statement: text, portal: text, types, resultFormats: [1], codegen })
      for (let i = 0; i < many; i++) {
        out.take()
        bind(out, [1, text, null, null, 1, text, null, null])
      }
      const read = RowReader.objectsUnsafe({ columns: [json], formats: 0, codegen })
      const bytes = jsonRow(JSON.stringify({ [text]: 1, [`${text} ${"long".repeat(9)}`]: [text] }))
      for (let i = 0; i < many; i++) read(bytes, 0, bytes.length)
    })
    assert.isAbove(sources.length, 16)
    for (const source of sources) assert.notInclude(withoutStrings(source), marker)
  })

  it("inlines the functions of built-in types only", () => {
    const sourceOf = (type: Type.Any) => {
      const options = { columns: [{ name: "c", type, typeOid: type.oid, typeModifier: -1 }], formats: 1 } as const
      const codegen = "generated"
      return sourcesOf(() => {
        RowReader.arraysUnsafe({ ...options, codegen })
        Columns.make({ ...options, codegen })()
        CopyFormat.binary.writer("array", [{ name: "c", type }])
      })
    }
    for (const type of [BuiltIn.int4, BuiltIn.text, BuiltIn.timestamptz]) {
      assert.notDeepEqual(sourceOf(type), sourceOf(ownFunctions(type)))
      assert.deepStrictEqual(sourceOf(ownFunctions(type)), sourceOf(ownFunctions(BuiltIn.numeric)))
      assert.deepStrictEqual(sourceOf(hostile(type, marker)), sourceOf(type))
    }
  })
})
