/**
 * Conversations of PostgreSQL's test module libpq_pipeline, recorded with a real server and traced by this package. The
 * expected lines are those of libpq's PQtrace (src/test/modules/libpq_pipeline/traces), which replaces values that
 * change between runs by NNNN, NN and SSSS.
 */
import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame, Frontend, Trace } from "@hyperfect/protocol"
import { allTranscripts } from "./transcripts.ts"

const executed = ["F\t6\tDescribe\t P \"\"", "F\t9\tExecute\t \"\" 0"]
const sync = "F\t4\tSync"
const flush = "F\t4\tFlush"
const terminate = "F\t4\tTerminate"
const bound = ["B\t4\tParseComplete", "B\t4\tBindComplete"]
const column = "B\t33\tRowDescription\t 1 \"?column?\" NNNN 0 NNNN 4 -1 0"
const series = "B\t40\tRowDescription\t 1 \"generate_series\" NNNN 0 NNNN 4 -1 0"
const where = "F \"SSSS\" L \"SSSS\" R \"SSSS\" \\x00"

const query = (length: number, text: string) => `F\t${length}\tQuery\t "${text}"`
const row = (value: string) => `B\t${10 + value.length}\tDataRow\t 1 ${value.length} '${value}'`
const complete = (length: number, tag: string) => `B\t${length}\tCommandComplete\t "${tag}"`
const ready = (status = "I") => `B\t5\tReadyForQuery\t ${status}`
const error = (code: string, text: string, more = "") =>
  `B\tNN\tErrorResponse\t S "ERROR" V "ERROR" C "${code}" M "${text}" ${more}${where}`
const notice = (severity: string, code: string, text: string) =>
  `B\tNN\tNoticeResponse\t S "${severity}" V "${severity}" C "${code}" M "${text}" ${where}`

/** Parse, Bind, Describe and Execute of a statement without parameters. */
const run = (length: number, text: string) => [
  `F\t${length}\tParse\t "" "${text}" 0`,
  "F\t14\tBind\t \"\" \"\" 0 0 1 0",
  ...executed
]
/** The same with a parameter of a declared type. */
const runTyped = (length: number, text: string, value: string) => [
  `F\t${length}\tParse\t "" "${text}" 1 NNNN`,
  `F\t${18 + value.length}\tBind\t "" "" 0 1 ${value.length} '${value}' 1 0`,
  ...executed
]
const runAndClose = (length: number, text: string) => [
  `F\t${length}\tParse\t "" "${text}" 0`,
  "F\t12\tBind\t \"\" \"\" 0 0 0",
  ...executed,
  "F\t6\tClose\t P \"\"",
  flush
]
const one = [column, row("1"), complete(13, "SELECT 1")]
const two = [column, row("2"), complete(13, "SELECT 1")]
const closedOne = [...runAndClose(16, "SELECT 1"), ...bound, ...one, "B\t4\tCloseComplete"]
const closedTwo = [...runAndClose(16, "SELECT 2"), ...bound, ...two, "B\t4\tCloseComplete"]
const inserted = [...bound, "B\t4\tNoData", complete(15, "INSERT 0 1")]
const setMessages = [query(27, "SET lc_messages TO \"C\""), complete(8, "SET"), ready()]
const insertItem = (value: string) => runTyped(60, "INSERT INTO pq_pipeline_demo(itemno) VALUES ($1)", value)
const insertNumber = (value: string) => run(46, `INSERT INTO pq_pipeline_tst VALUES (${value})`)
const rollBack = ["F\t22\tBind\t \"\" \"rollback\" 0 0 1 1", ...executed]
const numbersUpTo = (last: number) => [
  ...bound,
  series,
  ...Array.from({ length: last - 41 }, (_, i) => row(String(42 + i))),
  complete(13, `SELECT ${last - 41}`)
]
const repeated = (count: number, lines: ReadonlyArray<string>) => Array.from({ length: count }, () => lines).flat()

const expected: Record<string, ReadonlyArray<string>> = {
  disallowed_in_pipeline: [...setMessages, query(13, "SELECT 1"), ...one, ready(), terminate],
  multi_pipelines: [
    ...repeated(3, [...runTyped(21, "SELECT $1", "1"), sync]),
    ...repeated(3, [...bound, ...one, ready()]),
    terminate
  ],
  nosync: [
    ...repeated(10, run(34, "SELECT repeat('xyzxz', 12)")),
    flush,
    ...repeated(10, [
      ...bound,
      "B\t31\tRowDescription\t 1 \"repeat\" NNNN 0 NNNN 65535 -1 0",
      row("xyzxz".repeat(12)),
      complete(13, "SELECT 1")
    ]),
    terminate
  ],
  pipeline_abort: [
    query(42, "DROP TABLE IF EXISTS pq_pipeline_demo"),
    notice("NOTICE", "00000", "table \"pq_pipeline_demo\" does not exist, skipping"),
    complete(15, "DROP TABLE"),
    ready(),
    query(99, "CREATE UNLOGGED TABLE pq_pipeline_demo(id serial primary key, itemno integer,int8filler int8);"),
    complete(17, "CREATE TABLE"),
    ready(),
    ...insertItem("1"),
    ...runTyped(39, "SELECT no_such_function($1)", "1"),
    ...insertItem("2"),
    sync,
    ...insertItem("3"),
    sync,
    ...inserted,
    error(
      "42883",
      "function no_such_function(integer) does not exist",
      "H \"No function matches the given name and argument types. You might need to add explicit type casts.\" P \"8\" "
    ),
    ready(),
    ...inserted,
    ready(),
    ...run(26, "SELECT 1; SELECT 2"),
    sync,
    error("42601", "cannot insert multiple commands into a prepared statement"),
    ready(),
    ...run(54, "SELECT 1.0/g FROM generate_series(3, -1, -1) g"),
    sync,
    ...bound,
    "B\t33\tRowDescription\t 1 \"?column?\" NNNN 0 NNNN 65535 -1 0",
    row("0.33333333333333333333"),
    row("0.50000000000000000000"),
    row("1.00000000000000000000"),
    error("22012", "division by zero"),
    ready(),
    query(40, "SELECT itemno FROM pq_pipeline_demo"),
    "B\t31\tRowDescription\t 1 \"itemno\" NNNN 2 NNNN 4 -1 0",
    row("3"),
    complete(13, "SELECT 1"),
    ready(),
    terminate
  ],
  pipeline_idle: [
    ...closedOne,
    sync,
    ready(),
    ...closedOne,
    query(13, "SELECT 2"),
    ...two,
    // Older servers send I: since 18 a second statement before the Sync is in a transaction (measured).
    ready("T"),
    ...repeated(2, [...closedOne, ...closedTwo]),
    ...runAndClose(49, "SELECT pg_catalog.pg_advisory_unlock(1,1)"),
    ...bound,
    "B\t43\tRowDescription\t 1 \"pg_advisory_unlock\" NNNN 0 NNNN 1 -1 0",
    notice("WARNING", "01000", "you don't own a lock of type ExclusiveLock"),
    row("f"),
    complete(13, "SELECT 1"),
    "B\t4\tCloseComplete",
    terminate
  ],
  prepared: [
    "F\t68\tParse\t \"select_one\" \"SELECT $1, '42', $1::numeric, interval '1 sec'\" 1 NNNN",
    "F\t16\tDescribe\t S \"select_one\"",
    "F\t4\tSync",
    "B\t4\tParseComplete",
    "B\t10\tParameterDescription\t 1 NNNN",
    "B\t113\tRowDescription\t 4 \"?column?\" NNNN 0 NNNN 4 -1 0 \"?column?\" NNNN 0 NNNN 65535 -1 0 " +
    "\"numeric\" NNNN 0 NNNN 65535 -1 0 \"interval\" NNNN 0 NNNN 16 -1 0",
    "B\t5\tReadyForQuery\t I",
    "F\t16\tClose\t S \"select_one\"",
    "F\t4\tSync",
    "B\t4\tCloseComplete",
    "B\t5\tReadyForQuery\t I",
    "F\t16\tDescribe\t S \"select_one\"",
    "F\t4\tSync",
    "B\tNN\tErrorResponse\t S \"ERROR\" V \"ERROR\" C \"26000\" M \"prepared statement \"select_one\" does not exist\" " +
    "F \"SSSS\" L \"SSSS\" R \"SSSS\" \\x00",
    "B\t5\tReadyForQuery\t I",
    "F\t16\tClose\t S \"select_one\"",
    "F\t4\tSync",
    "B\t4\tCloseComplete",
    "B\t5\tReadyForQuery\t I",
    "F\t10\tQuery\t \"BEGIN\"",
    "B\t10\tCommandComplete\t \"BEGIN\"",
    "B\t5\tReadyForQuery\t T",
    "F\t43\tQuery\t \"DECLARE cursor_one CURSOR FOR SELECT 1\"",
    "B\t19\tCommandComplete\t \"DECLARE CURSOR\"",
    "B\t5\tReadyForQuery\t T",
    "F\t16\tDescribe\t P \"cursor_one\"",
    "F\t4\tSync",
    "B\t33\tRowDescription\t 1 \"?column?\" NNNN 0 NNNN 4 -1 0",
    "B\t5\tReadyForQuery\t T",
    "F\t16\tClose\t P \"cursor_one\"",
    "F\t4\tSync",
    "B\t4\tCloseComplete",
    "B\t5\tReadyForQuery\t T",
    "F\t16\tDescribe\t P \"cursor_one\"",
    "F\t4\tSync",
    "B\tNN\tErrorResponse\t S \"ERROR\" V \"ERROR\" C \"34000\" M \"portal \"cursor_one\" does not exist\" " +
    "F \"SSSS\" L \"SSSS\" R \"SSSS\" \\x00",
    "B\t5\tReadyForQuery\t E",
    "F\t16\tClose\t P \"cursor_one\"",
    "F\t4\tSync",
    "B\t4\tCloseComplete",
    "B\t5\tReadyForQuery\t E",
    "F\t4\tTerminate"
  ],
  simple_pipeline: [...setMessages, ...runTyped(21, "SELECT $1", "1"), sync, ...bound, ...one, ready(), terminate],
  singlerow: [
    ...["44", "45", "46"].flatMap((last) => [
      "F\t38\tParse\t \"\" \"SELECT generate_series(42, $1)\" 0",
      `F\t20\tBind\t "" "" 0 1 2 '${last}' 1 0`,
      ...executed
    ]),
    sync,
    ...numbersUpTo(44),
    ...numbersUpTo(45),
    ...numbersUpTo(46),
    ready(),
    ...run(36, "SELECT generate_series(0, 0)"),
    flush,
    ...bound,
    series,
    row("0"),
    complete(13, "SELECT 1"),
    ...run(16, "SELECT 1"),
    flush,
    ...bound,
    ...one,
    terminate
  ],
  transaction: [
    ...setMessages,
    query(79, "DROP TABLE IF EXISTS pq_pipeline_tst;CREATE TABLE pq_pipeline_tst (id int)"),
    notice("NOTICE", "00000", "table \"pq_pipeline_tst\" does not exist, skipping"),
    complete(15, "DROP TABLE"),
    complete(17, "CREATE TABLE"),
    ready(),
    "F\t24\tParse\t \"rollback\" \"ROLLBACK\" 0",
    ...run(13, "BEGIN"),
    ...run(18, "SELECT 0/0"),
    ...rollBack,
    ...insertNumber("1"),
    sync,
    ...insertNumber("2"),
    sync,
    ...rollBack,
    ...insertNumber("3"),
    sync,
    sync,
    "B\t4\tParseComplete",
    ...bound,
    "B\t4\tNoData",
    complete(10, "BEGIN"),
    "B\t4\tParseComplete",
    error("22012", "division by zero"),
    ready("E"),
    error("25P02", "current transaction is aborted, commands ignored until end of transaction block"),
    ready("E"),
    "B\t4\tBindComplete",
    "B\t4\tNoData",
    complete(13, "ROLLBACK"),
    ...inserted,
    ready(),
    ready(),
    query(34, "SELECT * FROM pq_pipeline_tst"),
    "B\t27\tRowDescription\t 1 \"id\" NNNN 1 NNNN 4 -1 0",
    row("3"),
    complete(13, "SELECT 1"),
    ready(),
    terminate
  ]
}

/** An unused OID, to be found in the line. */
const nnnn = 4_294_967_295

const masked = (message: Trace.Message): Trace.Message => {
  switch (message._tag) {
    case "Parse":
    case "ParameterDescription":
      return { ...message, parameterTypes: message.parameterTypes.map(() => nnnn) }
    case "RowDescription":
      return { ...message, fields: message.fields.map((field) => ({ ...field, tableOid: nnnn, typeOid: nnnn })) }
    case "ErrorResponse":
    case "NoticeResponse":
      return {
        ...message,
        fields: message.fields.map(({ code, value }) => ({ code, value: "FLR".includes(code) ? "SSSS" : value }))
      }
    default:
      return message
  }
}

/**
 * Formats a message as libpq would: it hides OIDs and the lengths of errors, and prints 16-bit integers as unsigned.
 */
const line = (from: Trace.Direction, message: Trace.Message): string =>
  Trace.formatLine(from, masked(message), { redact: false })
    .replaceAll(String(nnnn), "NNNN")
    .replace(/^B\t\d+\t(?=ErrorResponse|NoticeResponse)/, "B\tNN\t")
    .replaceAll(" NNNN -1 ", " NNNN 65535 ")

describe("Traces of libpq_pipeline", () => {
  for (const [name, lines] of Object.entries(expected)) {
    it(`match the output of libpq: ${name}`, () => {
      const { messages } = allTranscripts.find((transcript) => transcript.name === `recorded: libpq_pipeline, ${name}`)!
      const printed: Array<string> = []
      // After the start-up, which libpq does not trace either.
      for (const { bytes, from } of messages.slice(2)) {
        const side = from === "client" ? "frontend" : "backend"
        const read = side === "frontend" ? Frontend.readerUnsafe("password") : Backend.readerUnsafe()
        const limits = side === "frontend" ? Frontend.limits() : Backend.limits()
        Frame.makeParser(limits, (frame, start, end) => printed.push(line(side, read(frame, start, end)))).push(bytes)
      }
      assert.deepStrictEqual(printed, lines)
    })
  }
})
