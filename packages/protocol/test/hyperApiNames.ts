/**
 * The public names of the documented backend module of hyperdb-api-core (tableau/hyper-api-rust), the original model of
 * this package. README.md maps each name to this package.
 */

/** Variants of the enum `Message`. */
export const variants = [
  "AuthenticationOk",
  "AuthenticationCleartextPassword",
  "AuthenticationMd5Password",
  "AuthenticationSasl",
  "AuthenticationSaslContinue",
  "AuthenticationSaslFinal",
  "BackendKeyData",
  "BindComplete",
  "CloseComplete",
  "CommandComplete",
  "CopyData",
  "CopyDone",
  "CopyInResponse",
  "CopyOutResponse",
  "DataRow",
  "EmptyQueryResponse",
  "ErrorResponse",
  "NoData",
  "NoticeResponse",
  "NotificationResponse",
  "ParameterDescription",
  "ParameterStatus",
  "ParseComplete",
  "PortalSuspended",
  "ReadyForQuery",
  "RowDescription"
] as const

/** Structs: the header, the bodies, their items and their iterators. */
export const structs = [
  "Header",
  "AuthenticationMd5PasswordBody",
  "AuthenticationSaslBody",
  "AuthenticationSaslContinueBody",
  "AuthenticationSaslFinalBody",
  "BackendKeyDataBody",
  "CommandCompleteBody",
  "CopyDataBody",
  "CopyInResponseBody",
  "CopyOutResponseBody",
  "DataRowBody",
  "ErrorResponseBody",
  "NoticeResponseBody",
  "NotificationResponseBody",
  "ParameterDescriptionBody",
  "ParameterStatusBody",
  "ReadyForQueryBody",
  "RowDescriptionBody",
  "ErrorField",
  "Field",
  "DataRowRanges",
  "ErrorFields",
  "Fields",
  "Parameters",
  "SaslMechanisms"
] as const

/** Constants, and the tag of each. */
export const tags = {
  AUTHENTICATION_TAG: "R",
  BACKEND_KEY_DATA_TAG: "K",
  BIND_COMPLETE_TAG: "2",
  CLOSE_COMPLETE_TAG: "3",
  COMMAND_COMPLETE_TAG: "C",
  COPY_DATA_TAG: "d",
  COPY_DONE_TAG: "c",
  COPY_IN_RESPONSE_TAG: "G",
  COPY_OUT_RESPONSE_TAG: "H",
  DATA_ROW_TAG: "D",
  EMPTY_QUERY_RESPONSE_TAG: "I",
  ERROR_RESPONSE_TAG: "E",
  NOTICE_RESPONSE_TAG: "N",
  NOTIFICATION_RESPONSE_TAG: "A",
  NO_DATA_TAG: "n",
  PARAMETER_DESCRIPTION_TAG: "t",
  PARAMETER_STATUS_TAG: "S",
  PARSE_COMPLETE_TAG: "1",
  PORTAL_SUSPENDED_TAG: "s",
  READY_FOR_QUERY_TAG: "Z",
  ROW_DESCRIPTION_TAG: "T"
} as const

/** The login methods in its documentation, and the format that Hyper adds. */
export const flows = ["trust", "cleartext", "MD5", "SCRAM-SHA-256"] as const
export const formats = ["HyperBinary"] as const

export const allNames: ReadonlyArray<string> = [...variants, ...structs, ...Object.keys(tags), ...flows, ...formats]
