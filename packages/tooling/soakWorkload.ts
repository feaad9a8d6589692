/**
 * The work items of a soak. Each uses a unique token, and dies if it receives the response to anything else.
 *
 * Whatever the server and the network do, a work item has three outcomes: its own result, a typed error, or
 * interruption.
 */
import * as Client from "@hyperfect/client/Client"
import * as Notifications from "@hyperfect/client/Notifications"
import type * as Pool from "@hyperfect/client/Pool"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Random, Stream } from "effect"
import { deepStrictEqual, strictEqual } from "node:assert"

const { sql } = Statement

/** The tables of a soak. A transaction writes each token into `ledger` twice, or not at all. */
export const tables = [
  "create table if not exists ledger (token int not null)",
  "create table if not exists copied (token int not null)",
  "create table if not exists counter (n int not null)",
  "insert into counter values (0)",
  "create table if not exists altered (id int not null, a int not null)",
  "insert into altered values (1, 7)",
  "create type mood as enum ('glad', 'sad')",
  "create table if not exists moods (mood mood not null)"
]

/** Changes of a table that keep its contents equal to 7. */
const alterations = [
  "alter table altered alter column a type bigint",
  "alter table altered alter column a type int",
  "alter table altered alter column a type smallint",
  "alter table altered add column if not exists b int default 1",
  "alter table altered drop column if exists b"
]

/** The usual migration of an enum: its type is created again, and the old one dropped. */
const enumMigration = [
  "select pg_advisory_xact_lock(1)",
  "alter type mood rename to old_mood",
  "create type mood as enum ('glad', 'sad')",
  "alter table moods alter column mood type mood using mood::text::mood",
  "drop type old_mood"
]

/** Statements that write and read a value of the enum. */
export const enumTexts = [
  "with written as (insert into moods values ($1) returning mood) select mood from written",
  "select $1::mood"
]

/** The expected state of the server, as reported to the work items. */
export interface ExpectedState {
  /** The last assigned token. */
  lastToken: number
  /** Tokens whose transaction was reported as committed, since the tables were created. */
  readonly committed: Set<number>
  /** Tokens whose transaction failed before its COMMIT. */
  readonly rolledBack: Set<number>
  /** The number of reported increments of the counter, since the tables were created. */
  increments: number
  /** Notifications that were reported as sent. */
  readonly notified: Set<number>
}

export const makeExpectedState = (): ExpectedState => ({
  lastToken: 0,
  committed: new Set(),
  rolledBack: new Set(),
  increments: 0,
  notified: new Set()
})

export const channel = "soak"

const utf8 = new TextEncoder()

/** A work item with its name, and its relative probability. */
export interface WorkItem {
  readonly name: string
  readonly weight: number
  readonly run: Effect.Effect<unknown, unknown>
}

const expectResult = <A, E, R>(effect: Effect.Effect<A, E, R>, wanted: unknown, of: (answer: A) => unknown) =>
  Effect.map(effect, (answer) => deepStrictEqual(of(answer), wanted))

const undone = Effect.fail("undone" as const)

/**
 * Ignores the failure that rolls back a savepoint. Any other may leave the enclosing transaction failed, as when a
 * cancel request stops the SAVEPOINT itself.
 */
const ignoreUndone = <A, E>(savepoint: Effect.Effect<A, E | "undone">) =>
  Effect.catchIf(savepoint, (error): error is "undone" & (E | "undone") => error === "undone", () => Effect.void)

/** The number of different statements: more than a session of the soak caches. */
const statementCount = 60

export const workItems = (pool: Pool.Pool, book: ExpectedState): ReadonlyArray<WorkItem> => {
  const withToken = <A, E>(name: string, weight: number, run: (token: number) => Effect.Effect<A, E>): WorkItem => ({
    name,
    weight,
    run: Effect.suspend(() => run(++book.lastToken))
  })
  const series = (from: number, size: number) =>
    `select n::int as n from generate_series(${from}, ${from + size - 1}) g(n)`
  const copyIn = (data: Stream.Stream<Uint8Array, "no">) => pool.copyIn("copy copied from stdin", data)
  return [
    withToken(
      "value",
      30,
      (token) =>
        expectResult(
          pool.values(sql`select ${token}::int, ${`token ${token}`}::text`),
          [[token, `token ${token}`]],
          (answer) => answer.rows
        )
    ),
    withToken(
      "text",
      20,
      (token) =>
        expectResult(
          pool.query(`select ${token % statementCount} as a, ${token} as "token ${token % statementCount}"`),
          [{
            a: token % statementCount,
            [`token ${token % statementCount}`]: token
          }],
          (answer) => answer.rows.map((row) => ({ ...row }))
        )
    ),
    withToken("known text", 20, (token) =>
      expectResult(
        pool.values(Statement.fromTextUnsafe(`select $1::int as n${token % statementCount}`, [token])),
        [[token]],
        (answer) => answer.rows
      )),
    withToken("simple", 10, (token) =>
      expectResult(
        pool.simple(`select '${token}' as a; select '-${token}' as b`),
        [[{ a: String(token) }], [{ b: `-${token}` }]],
        (results) => results.map(({ rows }) => rows.map((row) => ({ ...row })))
      )),
    withToken("large", 5, (token) =>
      expectResult(
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
      (token) =>
        expectResult(pool.values(sql`select ${token}::int, pg_sleep(0.05)::text`), token, ({ rows }) => rows[0]![0])
    ),
    withToken("stream", 5, (token) =>
      expectResult(
        Stream.runFold(pool.streamValues(series(token, 3000)), () => 0, (sum, [n]) => sum + (n as number)),
        3000 * token + 3000 * 2999 / 2,
        (sum) => sum
      )),
    withToken("stream left early", 5, (token) =>
      expectResult(
        Stream.runCollect(Stream.take(pool.streamValues(series(token, 100_000)), 2)),
        [[token], [token + 1]],
        (rows) => rows
      )),
    withToken("copy out", 5, (token) =>
      expectResult(
        Stream.mkString(Stream.decodeText(pool.copyOut(`copy (${series(token, 500)}) to stdout`))),
        Array.from({ length: 500 }, (_, i) => `${token + i}\n`).join(""),
        (text) => text
      )),
    withToken("copy in", 5, (token) =>
      expectResult(
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
          if (inner) yield* ignoreUndone(pool.transaction(Effect.andThen(insert, undone)))
          yield* expectResult(
            pool.values(sql`select count(*)::int from ledger where token = ${token}`),
            [[1]],
            ({ rows }) => rows
          )
          yield* insert
        }))
        book.committed.add(token)
      })),
    withToken("transaction that fails", 5, (token) =>
      Effect.gen(function*() {
        book.rolledBack.add(token)
        const error = yield* Effect.flip(pool.transaction(
          Effect.andThen(pool.query(sql`insert into ledger values (${token})`), Effect.fail("undone" as const))
        ))
        if (error !== "undone") yield* Effect.fail(error)
      })),
    withToken("batch", 8, (token) =>
      Effect.gen(function*() {
        const insert = sql`insert into ledger values (${token})`
        yield* expectResult(
          pool.batch([insert, sql`select ${token}::int as n`, insert]),
          [[], [{ n: token }], []],
          (results) => results.map(({ rows }) => rows.map((row) => ({ ...row })))
        )
        book.committed.add(token)
      })),
    withToken("batch that fails", 3, (token) =>
      Effect.gen(function*() {
        book.rolledBack.add(token)
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
        // An injected fault can hit each of the statements alone.
        const divided = yield* Effect.flip(Effect.fromResult(second!))
        if (divided._tag !== "ServerError" || divided.reason._tag !== "DivisionByZero") {
          return yield* Effect.fail(divided)
        }
        for (const [outcome, wanted] of [[first!, token], [third!, -token]] as const) {
          yield* expectResult(Effect.fromResult(outcome), [wanted], ({ rows }) => Object.values(rows[0]!))
        }
      })),
    withToken("columns", 5, (token) =>
      expectResult(
        pool.columns(series(token, 200)),
        Array.from({ length: 200 }, (_, i) => token + i),
        ({ columns: [column] }) => "values" in column! ? [...column.values] : column
      )),
    withToken("cursor", 5, (token) =>
      expectResult(
        Stream.runCollect(Stream.take(pool.streamValues(series(token, 1000), { fetchSize: 7 }), 30)),
        Array.from({ length: 30 }, (_, i) => [token + i]),
        (rows) => rows
      )),
    withToken("prepared", 5, (token) =>
      Effect.scoped(Effect.gen(function*() {
        const statement = yield* pool.prepare("select $1::int + 1 as n")
        for (const n of [token, -token]) yield* expectResult(statement.values(n), [[n + 1]], ({ rows }) => rows)
      }))),
    withToken(
      "description",
      3,
      (token) =>
        expectResult(
          pool.describe(`select 1 as "n ${token}"`),
          [`n ${token}`],
          ({ fields }) => fields.map(({ name }) => name)
        )
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
          book.increments++
        }
      )),
    withToken("altering a table", 1, (token) => pool.query(alterations[token % alterations.length]!)),
    withToken("reading an altered table", 10, (token) => {
      const text = "select id, a from altered where id = 1"
      const read: Effect.Effect<ReadonlyArray<unknown>, unknown> = [
        Effect.map(pool.values(text), ({ rows }) => rows[0]!),
        Effect.map(pool.query("select * from altered"), ({ rows: [row] }) => [row!["id"], row!["a"]]),
        Effect.map(Stream.runCollect(pool.streamValues(text)), (rows) => rows[0]!),
        Effect.map(pool.batch([text]), ([result]) => Object.values(result!.rows[0]!)),
        pool.transaction(Effect.map(pool.values(text), ({ rows }) => rows[0]!))
      ][token % 5]!
      return expectResult(read, [1, 7], ([id, a]) => [id, Number(String(a))])
    }),
    withToken(
      "migrating an enum",
      1,
      () => pool.transaction(Effect.forEach(enumMigration, (text) => pool.query(text), { discard: true }))
    ),
    withToken("writing and reading an enum", 10, (token) => {
      const mood = token % 3 === 0 ? "glad" : "sad"
      return expectResult(
        pool.values(Statement.fromTextUnsafe(enumTexts[token % enumTexts.length]!, [mood])),
        [[mood]],
        ({ rows }) => rows
      )
    }),
    withToken("cursors of one name", 4, (token) =>
      pool.transaction(Effect.forEach(
        [[`${token}::int`, token], [`'${token}'::text`, String(token)], [`${token}.5::float8`, token + 0.5]] as const,
        ([expression, wanted]) =>
          Effect.gen(function*() {
            yield* pool.query(`declare c cursor for select ${expression} as v`)
            yield* expectResult(pool.values("fetch all from c"), [[wanted]], ({ rows }) => rows)
            yield* pool.query("close c")
          }),
        { discard: true }
      ))),
    withToken("savepoints", 5, (token) =>
      Effect.gen(function*() {
        const insert = pool.query(sql`insert into ledger values (${token})`)
        yield* pool.transaction(Effect.gen(function*() {
          yield* pool.transaction(
            Effect.andThen(insert, ignoreUndone(pool.transaction(Effect.andThen(insert, undone))))
          )
          yield* ignoreUndone(pool.transaction(Effect.andThen(pool.transaction(insert), undone)))
          yield* Effect.catchIf(
            pool.transaction(Effect.andThen(insert, pool.query(`select ${token} / 0`))),
            (error) => error._tag === "ServerError" && error.reason._tag === "DivisionByZero",
            () => Effect.void
          )
          yield* insert
        }))
        book.committed.add(token)
      })),
    withToken("a setting of the session", 3, (token) => pool.query(`set soak.shared = '${token}'`)),
    withToken("a role of the session", 3, () => pool.query("set role pg_read_all_data")),
    withToken("no settings of others", 10, () =>
      expectResult(
        pool.values("select coalesce(current_setting('soak.shared', true), ''), current_user = session_user"),
        [["", true]],
        ({ rows }) => rows
      )),
    withToken("a listener that leaves", 3, () =>
      expectResult(
        Stream.runCollect(Stream.take(Stream.filter(pool.listen(channel), ({ _tag }) => _tag !== "Gap"), 1)),
        1,
        (events) => events.length
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
        yield* expectResult(
          session.values("select current_setting('soak.token')"),
          [[String(token)]],
          ({ rows }) => rows
        )
      })))
  ]
}

/** Sends one notification after the other, numbered. */
export const sendNotifications = (pool: Pool.Pool, book: ExpectedState): Effect.Effect<never> => {
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

/** The statistics of a listener. */
export interface ListenerStats {
  count: number
  gaps: number
}

/** Listens, and dies if a sent notification is missing without an announced gap. */
export const listenForNotifications = (
  pool: Pool.Pool,
  book: ExpectedState,
  heard: ListenerStats
): Effect.Effect<void> => {
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
        // A notification whose sending was not confirmed can arrive late.
        last = Math.max(last ?? 0, number)
      })
    ),
    Effect.catch(() => Effect.sleep("50 millis")),
    Effect.forever
  )
}
