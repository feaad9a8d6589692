/**
 * One example of every message, composed by hand from the protocol chapter: its bytes, its value, and its trace lines.
 */
import type { Trace } from "@hyperfect/protocol"

export interface Example {
  readonly from: Trace.Direction
  readonly hex: string
  readonly message: Trace.Message
  /** The text after direction and length, with `redact: false`. */
  readonly shown: string
  /** The text with the default options, if it differs. */
  readonly redacted?: string
}

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.of(...values)
const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))

const backend = (hex: string, message: Trace.Message, fields: string = "", redacted?: string): Example =>
  example("backend", hex, message, fields, redacted)

const frontend = (hex: string, message: Trace.Message, fields: string = "", redacted?: string): Example =>
  example("frontend", hex, message, fields, redacted)

const example = (
  from: Trace.Direction,
  hex: string,
  message: Trace.Message,
  fields: string,
  redacted: string | undefined
): Example => {
  const line = (fields: string) => fields === "" ? message._tag : `${message._tag}\t ${fields}`
  const shown = line(fields)
  return {
    from,
    hex: hex.replaceAll(" ", ""),
    message,
    shown,
    ...redacted === undefined ? {} : { redacted: line(redacted) }
  }
}

export const examples: ReadonlyArray<Example> = [
  backend("52 00000008 00000000", { _tag: "AuthenticationOk" }),
  backend("52 00000008 00000002", { _tag: "AuthenticationKerberosV5" }),
  backend("52 00000008 00000003", { _tag: "AuthenticationCleartextPassword" }),
  backend(
    "52 0000000c 00000005 0102ff41",
    { _tag: "AuthenticationMD5Password", salt: bytes(1, 2, 255, 65) },
    "'\\x01\\x02\\xffA'",
    "<4 bytes>"
  ),
  backend("52 00000008 00000007", { _tag: "AuthenticationGSS" }),
  backend(
    "52 0000000a 00000008 6162",
    { _tag: "AuthenticationGSSContinue", data: ascii("ab") },
    "'ab'",
    "<2 bytes>"
  ),
  backend("52 00000008 00000009", { _tag: "AuthenticationSSPI" }),
  backend(
    "52 00000017 0000000a 534352414d2d5348412d32353600 00",
    { _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] },
    "\"SCRAM-SHA-256\" \\x00"
  ),
  backend(
    "52 0000000b 0000000b 723d78",
    { _tag: "AuthenticationSASLContinue", data: ascii("r=x") },
    "'r=x'",
    "<3 bytes>"
  ),
  backend(
    "52 0000000b 0000000c 763d79",
    { _tag: "AuthenticationSASLFinal", data: ascii("v=y") },
    "'v=y'",
    "<3 bytes>"
  ),
  backend(
    "4b 0000000c 0000002a deadbeef",
    { _tag: "BackendKeyData", processId: 42, secretKey: bytes(0xde, 0xad, 0xbe, 0xef) },
    "42 '\\xde\\xad\\xbe\\xef'",
    "42 <4 bytes>"
  ),
  backend("32 00000004", { _tag: "BindComplete" }),
  backend("33 00000004", { _tag: "CloseComplete" }),
  backend("43 0000000d 53454c454354203100", { _tag: "CommandComplete", commandTag: "SELECT 1" }, "\"SELECT 1\""),
  backend("57 00000007 00 0000", { _tag: "CopyBothResponse", format: 0, columnFormats: [] }, "0 0"),
  backend("64 00000007 61090a", { _tag: "CopyData", data: bytes(0x61, 9, 10) }, "'a\\x09\\x0a'", "<3 bytes>"),
  backend("63 00000004", { _tag: "CopyDone" }),
  backend("47 0000000b 01 0002 0001 0001", { _tag: "CopyInResponse", format: 1, columnFormats: [1, 1] }, "1 2 1 1"),
  backend("48 00000009 00 0001 0000", { _tag: "CopyOutResponse", format: 0, columnFormats: [0] }, "0 1 0"),
  backend(
    "44 00000010 0002 00000002 6869 ffffffff",
    { _tag: "DataRow", columns: [ascii("hi"), null] },
    "2 2 'hi' -1",
    "2 2 -1"
  ),
  backend("49 00000004", { _tag: "EmptyQueryResponse" }),
  backend(
    "45 0000001d 53 4552524f5200 43 323335303500 44 4b6579202861293d00 00",
    {
      _tag: "ErrorResponse",
      fields: [{ code: "S", value: "ERROR" }, { code: "C", value: "23505" }, { code: "D", value: "Key (a)=" }]
    },
    "S \"ERROR\" C \"23505\" D \"Key (a)=\" \\x00",
    "S \"ERROR\" C \"23505\" D <8 bytes> \\x00"
  ),
  backend("56 00000009 00000001 37", { _tag: "FunctionCallResponse", value: ascii("7") }, "1 '7'", "1"),
  backend(
    "76 00000013 00030002 00000001 5f70715f2e7800",
    { _tag: "NegotiateProtocolVersion", newestVersion: 196_610, unrecognizedOptions: ["_pq_.x"] },
    "196610 1 \"_pq_.x\""
  ),
  backend("6e 00000004", { _tag: "NoData" }),
  backend(
    "4e 0000000a 4d c3a90a00 00",
    { _tag: "NoticeResponse", fields: [{ code: "M", value: "é\n" }] },
    "M \"é\\x0a\" \\x00"
  ),
  backend(
    "41 0000000e 00000007 636800 787900",
    { _tag: "NotificationResponse", processId: 7, channel: "ch", payload: "xy" },
    "7 \"ch\" \"xy\""
  ),
  backend(
    "74 0000000e 0002 00000017 ffffffff",
    { _tag: "ParameterDescription", parameterTypes: [23, 4_294_967_295] },
    "2 23 4294967295"
  ),
  backend(
    "53 00000011 54696d655a6f6e6500 55544300",
    { _tag: "ParameterStatus", name: "TimeZone", value: "UTC" },
    "\"TimeZone\" \"UTC\""
  ),
  backend("31 00000004", { _tag: "ParseComplete" }),
  backend("73 00000004", { _tag: "PortalSuspended" }),
  backend("5a 00000005 54", { _tag: "ReadyForQuery", status: "T" }, "T"),
  backend(
    "54 0000001a 0001 6e00 00000000 0000 00000017 0004 ffffffff 0001",
    {
      _tag: "RowDescription",
      fields: [{ name: "n", tableOid: 0, columnNumber: 0, typeOid: 23, typeSize: 4, typeModifier: -1, format: 1 }]
    },
    "1 \"n\" 0 0 23 4 -1 1"
  ),
  frontend(
    "42 00000019 7000 7300 0001 0001 0002 00000001 31 ffffffff 0000",
    {
      _tag: "Bind",
      portal: "p",
      statement: "s",
      parameterFormats: [1],
      parameters: [ascii("1"), null],
      resultFormats: []
    },
    "\"p\" \"s\" 1 1 2 1 '1' -1 0",
    "\"p\" \"s\" 1 1 2 1 -1 0"
  ),
  frontend(
    "00000011 04d2162e 00000007 0102030405",
    { _tag: "CancelRequest", processId: 7, secretKey: bytes(1, 2, 3, 4, 5) },
    "7 '\\x01\\x02\\x03\\x04\\x05'",
    "7 <5 bytes>"
  ),
  frontend("43 00000007 53 7300", { _tag: "Close", kind: "S", name: "s" }, "S \"s\""),
  frontend("64 00000005 61", { _tag: "CopyData", data: ascii("a") }, "'a'", "<1 bytes>"),
  frontend("63 00000004", { _tag: "CopyDone" }),
  frontend("66 00000007 6e6f00", { _tag: "CopyFail", message: "no" }, "\"no\""),
  frontend("44 00000006 50 00", { _tag: "Describe", kind: "P", name: "" }, "P \"\""),
  frontend("45 00000009 00 00000064", { _tag: "Execute", portal: "", maxRows: 100 }, "\"\" 100"),
  frontend("48 00000004", { _tag: "Flush" }),
  frontend(
    "46 00000013 00000539 0000 0001 00000001 78 0001",
    { _tag: "FunctionCall", functionOid: 1337, argumentFormats: [], arguments: [ascii("x")], resultFormat: 1 },
    "1337 0 1 1 'x' 1",
    "1337 0 1 1 1"
  ),
  frontend("00000008 04d21630", { _tag: "GSSENCRequest" }),
  frontend("70 00000006 6162", { _tag: "GSSResponse", data: ascii("ab") }, "'ab'", "<2 bytes>"),
  frontend(
    "50 00000016 7300 73656c65637420243100 0001 00000017",
    { _tag: "Parse", name: "s", query: "select $1", parameterTypes: [23] },
    "\"s\" \"select $1\" 1 23"
  ),
  frontend(
    "70 0000000b 70656e63696c00",
    { _tag: "PasswordMessage", password: "pencil" },
    "\"pencil\"",
    "<6 bytes>"
  ),
  frontend("51 0000000d 73656c656374203100", { _tag: "Query", query: "select 1" }, "\"select 1\""),
  frontend(
    "70 00000018 534352414d2d5348412d32353600 00000002 6e2c",
    { _tag: "SASLInitialResponse", mechanism: "SCRAM-SHA-256", data: ascii("n,") },
    "\"SCRAM-SHA-256\" 2 'n,'",
    "\"SCRAM-SHA-256\" 2"
  ),
  frontend("70 00000006 633d", { _tag: "SASLResponse", data: ascii("c=") }, "'c='", "<2 bytes>"),
  frontend("00000008 04d2162f", { _tag: "SSLRequest" }),
  frontend(
    "00000012 00030000 7573657200 616e6e00 00",
    { _tag: "StartupMessage", protocolVersion: 196_608, parameters: [{ name: "user", value: "ann" }] },
    "196608 \"user\" \"ann\" \\x00"
  ),
  frontend("53 00000004", { _tag: "Sync" }),
  frontend("58 00000004", { _tag: "Terminate" }),
  backend(
    "77 0000000000000010 0000000000000020 fffffffffffffffe 6162",
    { _tag: "XLogData", walStart: BigInt(16), walEnd: BigInt(32), serverTime: BigInt(-2), data: ascii("ab") },
    "16 32 -2 'ab'",
    "16 32 -2 <2 bytes>"
  ),
  backend(
    "6b 0000000000000020 0000000000000001 01",
    { _tag: "PrimaryKeepalive", walEnd: BigInt(32), serverTime: BigInt(1), replyRequested: 1 },
    "32 1 1"
  ),
  frontend(
    "72 0000000000000001 0000000000000002 0000000000000003 0000000000000004 00",
    {
      _tag: "StandbyStatusUpdate",
      walWritten: BigInt(1),
      walFlushed: BigInt(2),
      walApplied: BigInt(3),
      clientTime: BigInt(4),
      replyRequested: 0
    },
    "1 2 3 4 0"
  ),
  frontend(
    "68 0000000000000004 ffffffff 00000001 00000002 00000003",
    {
      _tag: "HotStandbyFeedback",
      clientTime: BigInt(4),
      xmin: 4_294_967_295,
      xminEpoch: 1,
      catalogXmin: 2,
      catalogXminEpoch: 3
    },
    "4 4294967295 1 2 3"
  )
]
