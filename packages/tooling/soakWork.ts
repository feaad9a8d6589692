/**
 * Pieces of work for a soak. Each carries a token of its own, and dies when it is given an answer to anything else.
 *
 * Whatever the server and the network may do, a piece of work has three outcomes: its own answer, a typed error, or that
 * it was interrupted.
 */
import * as Client from "@hyperfect/client/Client"
import * as Notifications from "@hyperfect/client/Notifications"
import type * as Pool from "@hyperfect/client/Pool"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Random, Stream } from "effect"
import { deepStrictEqual, strictEqual } from "node:assert"

const { sql } = Statement

/** What the tables of a soak hold. A transaction writes each token into `ledger` twice, or not at all. */
export const tables = [
  "create table if not exists ledger (token int not null)",
  "create table if not exists copied (token int not null)",
  "create table if not exists counter (n int not null)",
  "insert into counter values (0)"
]

/** What the work has learned, to be compared with what the server has in the end. */
export interface Book {
  /** The last token that was given out. */
  token: number
  /** Tokens whose transaction was said to be committed, since the tables were made. */
  readonly committed: Set<number>
  /** Tokens whose transaction failed before its COMMIT. */
  readonly undone: Set<number>
  /** How often the counter was said to be raised, since the tables were made. */
  raised: number
  /** Notifications that were said to be sent. */
  readonly notified: Set<number>
}

export const makeBook = (): Book => ({
  token: 0,
  committed: new Set(),
  undone: new Set(),
  raised: 0,
  notified: new Set()
})

export const channel = "soak"

const utf8 = new TextEncoder()

/** A piece of work by its name, and how likely it is beside the others. */
export interface Piece {
  readonly name: string
  readonly weight: number
  readonly run: Effect.Effect<unknown, unknown>
}

const asks = <A, E, R>(effect: Effect.Effect<A, E, R>, wanted: unknown, of: (answer: A) => unknown) =>
  Effect.map(effect, (answer) => deepStrictEqual(of(answer), wanted))

/** How many different statements there are: more than a session of the soak keeps prepared. */
const texts = 60

export const pieces = (pool: Pool.Pool, book: Book): ReadonlyArray<Piece> => {
  const withToken = <A, E>(name: string, weight: number, run: (token: number) => Effect.Effect<A, E>): Piece => ({
    name,
    weight,
    run: Effect.suspend(() => run(++book.token))
  })
  const series = (from: number, size: number) =>
    `select n::int as n from generate_series(${from}, ${from + size - 1}) g(n)`
  const copyIn = (data: Stream.Stream<Uint8Array, "no">) => pool.copyIn("copy copied from stdin", data)
  return [
    withToken(
      "value",
      30,
      (token) =>
        asks(
          pool.values(sql`select ${token}::int, ${`token ${token}`}::text`),
          [[token, `token ${token}`]],
          (answer) => answer.rows
        )
    ),
    withToken(
      "text",
      20,
      (token) =>
        asks(pool.query(`select ${token % texts} as a, ${token} as "token ${token % texts}"`), [{
          a: token % texts,
          [`token ${token % texts}`]: token
        }], (answer) => answer.rows.map((row) => ({ ...row })))
    ),
    withToken("known text", 20, (token) =>
      asks(
        pool.values(Statement.fromTextUnsafe(`select $1::int as n${token % texts}`, [token])),
        [[token]],
        (answer) => answer.rows
      )),
    withToken("simple", 10, (token) =>
      asks(
        pool.simple(`select '${token}' as a; select '-${token}' as b`),
        [[{ a: String(token) }], [{ b: `-${token}` }]],
        (results) => results.map(({ rows }) => rows.map((row) => ({ ...row })))
      )),
    withToken("large", 5, (token) =>
      asks(
        pool.values(sql`select repeat(${String(token)}, 20000)`),
        String(token).repeat(20_000),
        ({ rows }) => rows[0]![0]
      )),
    withToken("error", 5, (token) =>
      Effect.map(
        Effect.flip(pool.query(`select ${token} / 0`)),
        (error) => {
          if (error._tag === "ServerError" && error.reason._tag === "DivisionByZero") return
          return Effect.fail(error)
        }
      ).pipe(Effect.flatMap((other) => other ?? Effect.void))),
    withToken(
      "sleep",
      5,
      (token) => asks(pool.values(sql`select ${token}::int, pg_sleep(0.05)::text`), token, ({ rows }) => rows[0]![0])
    ),
    withToken("stream", 5, (token) =>
      asks(
        Stream.runFold(pool.streamValues(series(token, 3000)), () => 0, (sum, [n]) => sum + (n as number)),
        3000 * token + 3000 * 2999 / 2,
        (sum) => sum
      )),
    withToken("stream left early", 5, (token) =>
      asks(
        Stream.runCollect(Stream.take(pool.streamValues(series(token, 100_000)), 2)),
        [[token], [token + 1]],
        (rows) => rows
      )),
    withToken("copy out", 5, (token) =>
      asks(
        Stream.mkString(Stream.decodeText(pool.copyOut(`copy (${series(token, 500)}) to stdout`))),
        Array.from({ length: 500 }, (_, i) => `${token + i}\n`).join(""),
        (text) => text
      )),
    withToken("copy in", 5, (token) =>
      asks(
        copyIn(Stream.fromIterable([`${token}\n`, `${token}\n`.repeat(2000)].map((text) => utf8.encode(text)))),
        2001,
        ({ rowCount }) => rowCount
      )),
    withToken("copy of a source that fails", 3, (token) =>
      Effect.flatMap(
        Effect.flip(copyIn(Stream.concat(Stream.make(utf8.encode(`${token}\n`)), Stream.fail("no")))),
        (error) => error === "no" ? Effect.void : Effect.fail(error)
      )),
    withToken("transaction", 10, (token) =>
      Effect.gen(function*() {
        const insert = pool.query(sql`insert into ledger values (${token})`)
        yield* pool.transaction(Effect.gen(function*() {
          yield* insert
          const inner = yield* Random.nextBoolean
          if (inner) yield* Effect.ignore(pool.transaction(Effect.andThen(insert, Effect.fail("undone" as const))))
          yield* asks(pool.values(sql`select count(*)::int from ledger where token = ${token}`), [[1]], ({ rows }) =>
            rows)
          yield* insert
        }))
        book.committed.add(token)
      })),
    withToken("transaction that fails", 5, (token) =>
      Effect.gen(function*() {
        book.undone.add(token)
        const error = yield* Effect.flip(pool.transaction(
          Effect.andThen(pool.query(sql`insert into ledger values (${token})`), Effect.fail("undone" as const))
        ))
        if (error !== "undone") yield* Effect.fail(error)
      })),
    withToken("batch", 8, (token) =>
      Effect.gen(function*() {
        const insert = sql`insert into ledger values (${token})`
        yield* asks(
          pool.batch([insert, sql`select ${token}::int as n`, insert]),
          [[], [{ n: token }], []],
          (results) => results.map(({ rows }) => rows.map((row) => ({ ...row })))
        )
        book.committed.add(token)
      })),
    withToken("batch that fails", 3, (token) =>
      Effect.gen(function*() {
        book.undone.add(token)
        const error = yield* Effect.flip(pool.batch([
          sql`insert into ledger values (${token})`,
          sql`select 1 / (${token}::int - ${token}::int)`
        ]))
        if (error._tag !== "ServerError" || error.reason._tag !== "DivisionByZero") yield* Effect.fail(error)
      })),
    withToken("pipeline", 8, (token) =>
      Effect.gen(function*() {
        const [first, second, third] = yield* pool.pipeline([
          sql`select ${token}::int`,
          `select ${token} / 0`,
          sql`select ${-token}::int as "a b"`
        ])
        // Each of them can be hit alone.
        const divided = yield* Effect.flip(Effect.fromResult(second!))
        if (divided._tag !== "ServerError" || divided.reason._tag !== "DivisionByZero") {
          return yield* Effect.fail(divided)
        }
        for (const [outcome, wanted] of [[first!, token], [third!, -token]] as const) {
          yield* asks(Effect.fromResult(outcome), [wanted], ({ rows }) => Object.values(rows[0]!))
        }
      })),
    withToken("columns", 5, (token) =>
      asks(
        pool.columns(series(token, 200)),
        Array.from({ length: 200 }, (_, i) => token + i),
        ({ columns: [column] }) => "values" in column! ? [...column.values] : column
      )),
    withToken("cursor", 5, (token) =>
      asks(
        Stream.runCollect(Stream.take(pool.streamValues(series(token, 1000), { fetchSize: 7 }), 30)),
        Array.from({ length: 30 }, (_, i) => [token + i]),
        (rows) => rows
      )),
    withToken("prepared", 5, (token) =>
      Effect.scoped(Effect.gen(function*() {
        const statement = yield* pool.prepare("select $1::int + 1 as n")
        for (const n of [token, -token]) yield* asks(statement.values(n), [[n + 1]], ({ rows }) => rows)
      }))),
    withToken(
      "description",
      3,
      (token) =>
        asks(pool.describe(`select 1 as "n ${token}"`), [`n ${token}`], ({ fields }) => fields.map(({ name }) => name))
    ),
    withToken("transaction that is tried again", 4, () =>
      Effect.map(
        pool.retryTransaction(
          Effect.flatMap(
            pool.values("select n from counter"),
            ({ rows }) => pool.query(sql`update counter set n = ${(rows[0]![0] as number) + 1}`)
          ),
          { isolation: "serializable" }
        ),
        () => {
          book.raised++
        }
      )),
    withToken("session of one's own", 5, (token) =>
      Effect.scoped(Effect.gen(function*() {
        const session = yield* pool.session
        const left = yield* session.values(`select coalesce(current_setting('soak.token', true), ''),
          (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
          to_regclass('leftover')::text`)
        deepStrictEqual(left.rows, [["", 0, null]])
        strictEqual(session.transactionStatus(), "I")
        yield* session.query(`set soak.token = '${token}'`)
        yield* session.query(sql`select pg_advisory_lock(${token})`)
        yield* session.query("create temp table leftover (a int)")
        if (yield* Random.nextBoolean) yield* session.query("begin")
        yield* asks(session.values("select current_setting('soak.token')"), [[String(token)]], ({ rows }) => rows)
      })))
  ]
}

/** Sends one notification after the other, numbered. */
export const notifying = (pool: Pool.Pool, book: Book): Effect.Effect<never> => {
  let number = 0
  return Effect.suspend(() => {
    const next = ++number
    return Notifications.notify(channel, String(next)).pipe(
      Effect.provideService(Client.Client, pool),
      Effect.timeout("5 seconds"),
      Effect.map(() => book.notified.add(next)),
      Effect.ignore,
      Effect.andThen(Effect.sleep("20 millis"))
    )
  }).pipe(Effect.forever)
}

/** What one who listened has to say in the end. */
export interface Heard {
  count: number
  gaps: number
}

/** Listens, and dies when a notification that was sent is missing although no gap was announced. */
export const listening = (pool: Pool.Pool, book: Book, heard: Heard): Effect.Effect<void> => {
  let last: number | undefined
  return pool.listen(channel).pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        if (event._tag === "Gap") {
          heard.gaps++
          last = undefined
          return
        }
        const number = Number(event.payload)
        if (last !== undefined) {
          for (let missing = last + 1; missing < number; missing++) {
            strictEqual(book.notified.has(missing), false, `notification ${missing} is missing, and no gap was told`)
          }
        }
        heard.count++
        // One of which nobody knew whether it was sent can come late.
        last = Math.max(last ?? 0, number)
      })
    ),
    Effect.catch(() => Effect.sleep("50 millis")),
    Effect.forever
  )
}
