/**
 * The conversations of PostgreSQL's test module libpq_pipeline, which has traces of them: the messages that a client
 * sends, and the server message it waits for before it continues.
 */
import { type Backend, Frontend } from "@hyperfect/protocol"

/** Messages that are sent together, and the responses that are then awaited in order. */
export interface Step {
  readonly send: ReadonlyArray<Frontend.Message>
  readonly until: ReadonlyArray<Backend.Message["_tag"]>
}

const { Bind, Close, Describe, Execute, Flush, Parse, Query, Sync } = Frontend

const int4 = 23
const sync = Sync.make({})
const flush = Flush.make({})
const text = (value: string) => new TextEncoder().encode(value)
const execution = [Describe.make({ kind: "P", name: "" }), Execute.make({ portal: "", maxRows: 0 })]

const bind = (statement: string, values: ReadonlyArray<string> = [], resultFormats = [0]) =>
  Bind.make({ portal: "", statement, parameterFormats: [], parameters: values.map(text), resultFormats })

/** A statement with text values, whose types may be declared. */
const run = (query: string, values: ReadonlyArray<string> = [], parameterTypes: ReadonlyArray<number> = []) => [
  Parse.make({ name: "", query, parameterTypes }),
  bind("", values),
  ...execution
]

/**
 * A statement as PostgreSQL 14 ran it outside of pipelines: results in the default format, and the portal closed at
 * once.
 */
const runAndClose = (query: string) => [
  Parse.make({ name: "", query, parameterTypes: [] }),
  bind("", [], []),
  ...execution,
  Close.make({ kind: "P", name: "" })
]

const ready = "ReadyForQuery"
const ask = (query: string): Step => ({ send: [Query.make({ query })], until: [ready] })
const synced = (...send: ReadonlyArray<Frontend.Message>): Step => ({ send: [...send, sync], until: [ready] })
const flushed = (query: string): Step => ({ send: [...run(query), flush], until: ["CommandComplete"] })
const flushedAndClosed = (query: string): Step => ({ send: [...runAndClose(query), flush], until: ["CloseComplete"] })
const repeated = <A>(count: number, items: ReadonlyArray<A>) => Array.from({ length: count }, () => items).flat()

const insert = (value: string) => run("INSERT INTO pq_pipeline_demo(itemno) VALUES ($1)", [value], [int4])
const describeStatement = Describe.make({ kind: "S", name: "select_one" })
const closeStatement = Close.make({ kind: "S", name: "select_one" })
const describeCursor = Describe.make({ kind: "P", name: "cursor_one" })
const closeCursor = Close.make({ kind: "P", name: "cursor_one" })
const rollback = [bind("rollback", [], [1]), ...execution]

export const conversations: Record<string, ReadonlyArray<Step>> = {
  disallowed_in_pipeline: [ask("SET lc_messages TO \"C\""), ask("SELECT 1")],
  multi_pipelines: [
    { send: repeated(3, [...run("SELECT $1", ["1"], [int4]), sync]), until: [ready, ready, ready] }
  ],
  nosync: [{
    send: [...repeated(10, run("SELECT repeat('xyzxz', 12)")), flush],
    until: repeated(10, ["CommandComplete" as const])
  }],
  pipeline_abort: [
    ask("DROP TABLE IF EXISTS pq_pipeline_demo"),
    ask("CREATE UNLOGGED TABLE pq_pipeline_demo(id serial primary key, itemno integer,int8filler int8);"),
    {
      send: [
        ...insert("1"),
        ...run("SELECT no_such_function($1)", ["1"], [int4]),
        ...insert("2"),
        sync,
        ...insert("3"),
        sync
      ],
      until: [ready, ready]
    },
    synced(...run("SELECT 1; SELECT 2")),
    synced(...run("SELECT 1.0/g FROM generate_series(3, -1, -1) g")),
    ask("SELECT itemno FROM pq_pipeline_demo")
  ],
  pipeline_idle: [
    flushedAndClosed("SELECT 1"),
    synced(),
    flushedAndClosed("SELECT 1"),
    ask("SELECT 2"),
    ...repeated(2, [flushedAndClosed("SELECT 1"), flushedAndClosed("SELECT 2")]),
    flushedAndClosed("SELECT pg_catalog.pg_advisory_unlock(1,1)")
  ],
  prepared: [
    synced(
      Parse.make({
        name: "select_one",
        query: "SELECT $1, '42', $1::numeric, interval '1 sec'",
        parameterTypes: [int4]
      }),
      describeStatement
    ),
    synced(closeStatement),
    synced(describeStatement),
    synced(closeStatement),
    ask("BEGIN"),
    ask("DECLARE cursor_one CURSOR FOR SELECT 1"),
    synced(describeCursor),
    synced(closeCursor),
    synced(describeCursor),
    synced(closeCursor)
  ],
  simple_pipeline: [ask("SET lc_messages TO \"C\""), synced(...run("SELECT $1", ["1"], [int4]))],
  singlerow: [
    synced(...["44", "45", "46"].flatMap((last) => run("SELECT generate_series(42, $1)", [last]))),
    flushed("SELECT generate_series(0, 0)"),
    flushed("SELECT 1")
  ],
  transaction: [
    ask("SET lc_messages TO \"C\""),
    ask("DROP TABLE IF EXISTS pq_pipeline_tst;CREATE TABLE pq_pipeline_tst (id int)"),
    {
      send: [
        Parse.make({ name: "rollback", query: "ROLLBACK", parameterTypes: [] }),
        ...run("BEGIN"),
        ...run("SELECT 0/0"),
        ...rollback,
        ...run("INSERT INTO pq_pipeline_tst VALUES (1)"),
        sync,
        ...run("INSERT INTO pq_pipeline_tst VALUES (2)"),
        sync,
        ...rollback,
        ...run("INSERT INTO pq_pipeline_tst VALUES (3)"),
        sync,
        sync
      ],
      until: [ready, ready, ready, ready]
    },
    ask("SELECT * FROM pq_pipeline_tst")
  ]
}
