/**
 * Conversations of PostgreSQL's test module libpq_pipeline, recorded with a real server and traced by us: the lines are
 * those that libpq's PQtrace prints of them (src/test/modules/libpq_pipeline/traces), where it hides what changes from
 * run to run behind NNNN, NN and SSSS.
 */
import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame, Frontend, Trace } from "@hyperfect/protocol"
import { all } from "./transcripts.ts"

const expected: Record<string, ReadonlyArray<string>> = {
  simple_pipeline: [
    "F\t27\tQuery\t \"SET lc_messages TO \"C\"\"",
    "B\t8\tCommandComplete\t \"SET\"",
    "B\t5\tReadyForQuery\t I",
    "F\t21\tParse\t \"\" \"SELECT $1\" 1 NNNN",
    "F\t19\tBind\t \"\" \"\" 0 1 1 '1' 1 0",
    "F\t6\tDescribe\t P \"\"",
    "F\t9\tExecute\t \"\" 0",
    "F\t4\tSync",
    "B\t4\tParseComplete",
    "B\t4\tBindComplete",
    "B\t33\tRowDescription\t 1 \"?column?\" NNNN 0 NNNN 4 -1 0",
    "B\t11\tDataRow\t 1 1 '1'",
    "B\t13\tCommandComplete\t \"SELECT 1\"",
    "B\t5\tReadyForQuery\t I",
    "F\t4\tTerminate"
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
  ]
}

/** An OID that nothing has, to be found again in the line. */
const nnnn = 4_294_967_295

const masked = (message: Trace.Message): Trace.Message => {
  switch (message._tag) {
    case "Parse":
    case "ParameterDescription":
      return { ...message, parameterTypes: message.parameterTypes.map(() => nnnn) }
    case "RowDescription":
      return { ...message, fields: message.fields.map((field) => ({ ...field, tableOid: nnnn, typeOid: nnnn })) }
    case "ErrorResponse":
      return {
        ...message,
        fields: message.fields.map(({ code, value }) => ({ code, value: "FLR".includes(code) ? "SSSS" : value }))
      }
    default:
      return message
  }
}

/** What libpq would print: it hides OIDs and the lengths of errors, and takes 16-bit integers for unsigned. */
const line = (from: Trace.Direction, message: Trace.Message): string =>
  Trace.line(from, masked(message), { redact: false })
    .replaceAll(String(nnnn), "NNNN")
    .replace(/^B\t\d+\tErrorResponse/, "B\tNN\tErrorResponse")
    .replaceAll(" NNNN -1 ", " NNNN 65535 ")

describe("traces of libpq_pipeline", () => {
  for (const [name, lines] of Object.entries(expected)) {
    it(`are what libpq prints: ${name}`, () => {
      const { messages } = all.find((transcript) => transcript.name === `recorded: libpq_pipeline, ${name}`)!
      const printed: Array<string> = []
      // Behind the start-up, which libpq has no trace of either.
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
