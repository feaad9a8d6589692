import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import { Hyper, HyperKeyValue, HyperTable } from "@hyperfect/hyper"
import { Effect, Option, Schema } from "effect"
import { KeyValueStore } from "effect/persistence"
import { kinds, servers } from "./servers.ts"

let tables = 0

const store = Effect.suspend(() => HyperKeyValue.make({ table: `Key value ${++tables}` }))

const keys = ["a", "A", "ab", "a%", "a_b", "é", "", " a", "a ", "'\"\\"]

const Operation = Schema.Union([
  Schema.TaggedStruct("set", { key: Schema.Literals(keys), value: Schema.Literals(["", "text", "é\n", "AAEC"]) }),
  Schema.TaggedStruct("remove", { key: Schema.Literals(keys) }),
  Schema.TaggedStruct("clearPrefix", { key: Schema.Literals(keys) }),
  Schema.TaggedStruct("modify", { key: Schema.Literals(keys) }),
  Schema.TaggedStruct("clear", {})
])

const apply = (kv: KeyValueStore.KeyValueStore, operation: typeof Operation.Type) => {
  switch (operation._tag) {
    case "set":
      return kv.set(operation.key, operation.value)
    case "remove":
      return kv.remove(operation.key)
    case "clearPrefix":
      return kv.clearPrefix(operation.key)
    case "modify":
      return kv.modify(operation.key, (value) => `${value}!`)
    case "clear":
      return kv.clear
  }
}

const contents = (kv: KeyValueStore.KeyValueStore) =>
  Effect.gen(function*() {
    const found = [...yield* kv.keys].sort()
    return {
      size: yield* kv.size,
      isEmpty: yield* kv.isEmpty,
      values: yield* Effect.forEach(found, (key) => Effect.map(kv.get(key), (value) => [key, value] as const)),
      has: yield* Effect.forEach(keys, kv.has)
    }
  })

const memory = Effect.provide(KeyValueStore.KeyValueStore, KeyValueStore.layerMemory, { local: true })

describe("HyperKeyValue", () => {
  for (const kind of kinds) {
    layer<Client.Client, unknown>(servers[kind], { excludeTestServices: true, timeout: "1 minute" })(kind, (it) => {
      it.effect.prop(
        "has what Effect's store in memory has after the same operations",
        [Schema.Array(Operation).check(Schema.isMaxLength(12))],
        ([operations]) =>
          Effect.gen(function*() {
            const [kv, model] = [yield* store, yield* memory]
            for (const operation of operations) {
              yield* Effect.all([apply(kv, operation), apply(model, operation)])
            }
            assert.deepStrictEqual(yield* contents(kv), yield* contents(model))
          }),
        { arbitrary: { runs: 15 } }
      )

      it.effect("keeps bytes and strings, and returns either as the other", () =>
        Effect.gen(function*() {
          const kv = yield* store
          yield* kv.set("bytes", Uint8Array.of(0, 255, 128))
          yield* kv.set("text", "\ufeffé")
          assert.deepStrictEqual(yield* kv.getUint8Array("bytes"), Uint8Array.of(0, 255, 128))
          assert.strictEqual(yield* kv.get("bytes"), "AP+A")
          assert.deepStrictEqual(yield* kv.getUint8Array("text"), Uint8Array.of(0xef, 0xbb, 0xbf, 0xc3, 0xa9))
          assert.strictEqual(yield* kv.get("text"), "\ufeffé")
          yield* kv.set("bytes", "now text")
          assert.strictEqual(yield* kv.get("bytes"), "now text")
          yield* kv.set("bytes", new Uint8Array())
          assert.deepStrictEqual(yield* kv.getUint8Array("bytes"), new Uint8Array())
          assert.strictEqual(yield* kv.size, 2)
          assert.isUndefined(yield* kv.get("none"))
          assert.isUndefined(yield* kv.getUint8Array("none"))
        }))

      it.effect("stores values of a Schema, and under a prefix", () =>
        Effect.gen(function*() {
          const kv = yield* store
          const numbers = KeyValueStore.toSchemaStore(KeyValueStore.prefix(kv, "n/"), Schema.Array(Schema.Int))
          yield* numbers.set("a", [1, 2])
          assert.deepStrictEqual(yield* numbers.get("a"), Option.some([1, 2]))
          assert.deepStrictEqual(yield* kv.keys, ["n/a"])
        }))

      it.effect("takes part in a transaction", () =>
        Effect.gen(function*() {
          const kv = yield* store
          const client = yield* Client.Client
          yield* kv.set("a", "old")
          const error = yield* Effect.flip(
            client.transaction(Effect.andThen(Effect.all([kv.set("a", "new"), kv.set("b", "new")]), Effect.fail("no")))
          )
          assert.strictEqual(error, "no")
          assert.deepStrictEqual([yield* kv.get("a"), yield* kv.get("b")], ["old", undefined])
        }))

      it.effect("fails with the method and the key for text that cannot be stored, or without its table", () =>
        Effect.gen(function*() {
          const kv = yield* store
          const error = yield* Effect.flip(kv.set("a", "\ud800"))
          assert.deepInclude(error, { _tag: "KeyValueStoreError", method: "set", key: "a" })
          assert.strictEqual((error.cause as Client.ClientError)._tag, "ValueError")
          assert.isFalse(yield* kv.has("a"))
          yield* (yield* Client.Client).simple(`drop table "Key value ${tables}"`)
          for (const effect of [kv.get("a"), kv.getUint8Array("a"), kv.set("a", ""), kv.remove("a"), kv.has("a")]) {
            assert.strictEqual((yield* Effect.flip<unknown, KeyValueStore.KeyValueStoreError, never>(effect)).key, "a")
          }
          for (const effect of [kv.clear, kv.size, kv.keys, kv.isEmpty, kv.clearPrefix("")]) {
            const failed = yield* Effect.flip<unknown, KeyValueStore.KeyValueStoreError, never>(effect)
            assert.strictEqual((failed.cause as Client.ClientError)._tag, "ServerError")
          }
        }))

      it.effect("refuses a table of other columns", () =>
        Effect.gen(function*() {
          const other = HyperTable.make("not a store", { id: HyperTable.Int })
          yield* other.create
          const kv = yield* HyperKeyValue.make({ table: "not a store" })
          assert.strictEqual((yield* Effect.flip(kv.get("a")))._tag, "KeyValueStoreError")
        }))
    })
  }

  layer(servers.hyper, { excludeTestServices: true, timeout: "1 minute" })("on Hyper", (it) => {
    it.effect("keeps one value for a key that many sessions set at the same time", () =>
      Effect.gen(function*() {
        const pool = yield* Hyper.makePool({ database: "test.hyper", pool: { max: 6 } })
        const kv = yield* Effect.provideService(HyperKeyValue.make({ table: "contended" }), Client.Client, pool)
        yield* Effect.forEach(Array.from({ length: 60 }, (_, i) => i), (i) => kv.set(`key ${i % 3}`, String(i)), {
          concurrency: "unbounded",
          discard: true
        })
        assert.deepStrictEqual([...yield* kv.keys].sort(), ["key 0", "key 1", "key 2"])
      }))

    it.effect("has in the next session what was saved", () =>
      Effect.gen(function*() {
        const database = { database: "kept.hyper", create: "if-not-exists" as const }
        const use = <A, E>(f: (kv: KeyValueStore.KeyValueStore) => Effect.Effect<A, E>) =>
          Effect.flatMap(KeyValueStore.KeyValueStore, f).pipe(
            Effect.provide(HyperKeyValue.layer(), { local: true }),
            Hyper.withDatabase(database)
          )
        yield* use((kv) => kv.set("a", "1"))
        assert.strictEqual(yield* use((kv) => kv.get("a")), "1")
      }))
  })
})
