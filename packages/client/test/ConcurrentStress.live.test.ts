/**
 * Concurrent operations of all kinds on one session, interrupted at random: each gets its own response, and nothing
 * hangs.
 */
import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Exit, Fiber, Random, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { sql } = Statement

type Operation = Effect.Effect<unknown, unknown>

const seed = Number(process.env["HYPERFECT_SEED"] ?? 1)
const rounds = Number(process.env["HYPERFECT_ROUNDS"] ?? 12)

const encoder = new TextEncoder()

/** Operations that each notice when they get the response of another. */
const makeOperations = Effect.fnUntraced(function*(session: Session.Session) {
  const table = uniqueName("mixed")
  // Bounded, because a statement with others behind it is not cancelled.
  const brief = session.server.kind === "postgres"
    ? "select pg_sleep(0.02)"
    : "select count(*) from generate_series(1, 5000000) as g(n) where n % 7 = 3"
  yield* session.query(`create table ${table} (n int)`)
  let count = 0
  const series = (from: number, size: number) =>
    `select n from generate_series(${from}, ${from + size - 1}) as g(n) order by n`
  const work: ReadonlyArray<() => Operation> = [
    () => {
      const token = `token ${++count}`
      return Effect.map(
        session.values(sql`select ${token}::text`),
        ({ rows }) => assert.deepStrictEqual(rows, [[token]])
      )
    },
    () => {
      const token = ++count
      return Effect.map(
        session.query(`select ${token} as n`),
        ({ rows }) => assert.deepStrictEqual(rows, [{ n: token }])
      )
    },
    () => {
      const token = ++count
      return Effect.map(
        session.simple(`select ${token} as n`),
        (results) => assert.deepStrictEqual(results.map(({ rows }) => rows), [[{ n: token }]])
      )
    },
    () => {
      const from = ++count * 10
      return Effect.map(
        Stream.runCollect(session.streamValues(series(from, 3))),
        (rows) => assert.deepStrictEqual(rows, [[from], [from + 1], [from + 2]])
      )
    },
    () => {
      const from = ++count
      return Effect.map(
        Stream.runCollect(Stream.take(session.streamValues(series(from, 50_000)), 2)),
        (rows) => assert.deepStrictEqual(rows, [[from], [from + 1]])
      )
    },
    () => {
      const from = ++count
      const copy = session.copyOut(`copy (${series(from, 2)}) to stdout with (format csv)`)
      return Effect.map(
        Stream.mkString(Stream.decodeText(copy)),
        (text) => assert.strictEqual(text, `${from}\n${from + 1}\n`)
      )
    },
    () =>
      Effect.map(
        session.copyIn(
          `copy ${table} from stdin with (format csv)`,
          Stream.make(encoder.encode("1\n"), encoder.encode("2\n"))
        ),
        ({ rowCount }) => assert.strictEqual(rowCount, 2)
      ),
    () =>
      Effect.flip(session.copyIn(
        `copy ${table} from stdin with (format csv)`,
        Stream.concat(Stream.make(encoder.encode("1\n")), Stream.fail("no" as const))
      )),
    () =>
      session.transaction(Effect.gen(function*() {
        const token = ++count
        yield* session.query(sql`insert into ${Statement.identifier(table)} values (${token})`)
        const { rows } = yield* session.values(`select ${token}`)
        assert.deepStrictEqual(rows, [[token]])
        if (token % 2 === 0) return yield* Effect.fail("no" as const)
      })).pipe(Effect.catchIf((error) => error === "no", () => Effect.void)),
    () =>
      Effect.map(
        Effect.flip(session.query(`select ${++count} / 0`)),
        (error) => assert.strictEqual(error._tag === "ServerError" && error.reason._tag, "DivisionByZero")
      ),
    () => Effect.timeoutOption(session.query(brief), "3 millis")
  ]
  return work
})

describeServers({
  both(it) {
    it.effect("every operation gets its own response, whichever are interrupted", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 4 })
        const work = yield* makeOperations(session)
        for (let round = 0; round < rounds; round++) {
          const fibers = []
          for (let i = 0; i < 12; i++) {
            const next = work[yield* Random.nextIntBetween(0, work.length - 1)]!
            fibers.push(yield* Effect.forkChild(next(), { startImmediately: yield* Random.nextBoolean }))
            if (yield* Random.nextBoolean) yield* Effect.sleep(yield* Random.nextIntBetween(0, 2))
          }
          for (const fiber of fibers) {
            if (yield* Random.nextBoolean) continue
            if (yield* Random.nextBoolean) yield* Effect.sleep(yield* Random.nextIntBetween(0, 3))
            yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          }
          for (const fiber of fibers) {
            const exit = yield* Fiber.await(fiber).pipe(Effect.timeout("20 seconds"))
            if (Exit.isFailure(exit) && !exit.cause.reasons.every(({ _tag }) => _tag === "Interrupt")) {
              return yield* Effect.failCause(exit.cause)
            }
          }
          const { rows } = yield* session.values(sql`select ${`round ${round}`}::text`).pipe(
            Effect.timeout("20 seconds")
          )
          assert.deepStrictEqual(rows, [[`round ${round}`]])
          assert.strictEqual(session.transactionStatus(), "I")
        }
      }).pipe(Random.withSeed(seed)), 60_000)
  }
})
