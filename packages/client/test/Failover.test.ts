/** What becomes of those who use a server when it goes away, or becomes another one. */
import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Events, type Part, scene } from "./scene.ts"

const standby = { in_hot_standby: "on", default_transaction_read_only: "off" }
const primary = { in_hot_standby: "off", default_transaction_read_only: "off" }

const part = (name: string, parameters: Readonly<Record<string, string>>): Part => ({
  parameters,
  answers: { "who is it": name }
})

type Parts = Record<"a" | "b", Part>

const pool = (text: string) =>
  Effect.flatMap(
    ConnectionConfig.fromString(`host=a,b user=app sslmode=disable ${text}`),
    (config) => Pool.make(config, { max: 1 })
  )

const ask = (pool: Pool.Pool) => Effect.map(pool.simple("who is it"), ([result]) => Object.values(result!.rows[0]!)[0])

describe("a pool with several servers", () => {
  it.effect("goes to another one when the first is gone, and comes back when that is", () => {
    const parts: Parts = { a: part("a", primary), b: part("b", primary) }
    return Effect.gen(function*() {
      const both = yield* pool("")
      assert.strictEqual(yield* ask(both), "a")
      parts.a = { ...parts.a, absent: "down" }
      yield* Effect.flip(both.simple("hang up"))
      assert.strictEqual(yield* ask(both), "b")
      parts.a = { ...parts.a, absent: undefined }
      parts.b = { ...parts.b, absent: "down" }
      yield* Effect.flip(both.simple("hang up"))
      assert.strictEqual(yield* ask(both), "a")
    }).pipe(Effect.provide(scene(parts)))
  })

  it.effect("follows the primary when the servers change their roles", () => {
    const parts: Parts = { a: part("a", primary), b: part("b", standby) }
    return Effect.gen(function*() {
      const both = yield* pool("target_session_attrs=primary")
      assert.strictEqual(yield* ask(both), "a")
      parts.a = part("a", standby)
      parts.b = part("b", primary)
      yield* Effect.flip(both.simple("hang up"))
      assert.strictEqual(yield* ask(both), "b")
      assert.include((yield* Events).all, "a: bye")
    }).pipe(Effect.provide(scene(parts)))
  })
})

describe("a server that gives no key to cancel queries with", () => {
  it.effect("is used all the same, and the session of an interrupted query given up in time", () =>
    Effect.gen(function*() {
      const config = yield* ConnectionConfig.fromString("host=a user=app sslmode=disable")
      const session = yield* Session.make(config)
      assert.isUndefined(session.processId)
      const first = yield* session.simple("who is it")
      assert.strictEqual(first.length, 1)
      const { all } = yield* Events
      const running = yield* Effect.forkChild(session.simple("wait"), { startImmediately: true })
      while (!all.includes("a: wait")) yield* Effect.yieldNow
      const ending = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(ending)
      const error = yield* Effect.flip(session.simple("who is it"))
      assert.strictEqual(error._tag, "TransportError")
      assert.isFalse(all.some((event) => event.includes("cancel")))
    }).pipe(Effect.provide(scene({ a: { ...part("a", primary), keyless: true } }))))
})
