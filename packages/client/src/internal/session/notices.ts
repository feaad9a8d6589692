/**
 * Notices of the server for observers of many sessions.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

type Sink = (notice: Backend.NoticeResponse, processId: number | undefined, size: number) => void

/** Called with each notice of the sessions opened in its context, including those of the login. */
export const NoticeSink = Context.Reference<Sink | undefined>("@hyperfect/client/NoticeSink", {
  defaultValue: () => undefined
})

/** Logs a notice at the level of its severity. */
export const logNotice = ({ fields }: Backend.NoticeResponse, processId: number | undefined): Effect.Effect<void> => {
  const severity = ErrorField.get(fields, "severity") ?? ErrorField.get(fields, "severityLocalized") ?? ""
  const log = severity === "WARNING"
    ? Effect.logWarning
    : severity.startsWith("DEBUG")
    ? Effect.logDebug
    : Effect.logInfo
  const text = `${ErrorField.get(fields, "sqlState") ?? ""}: ${ErrorField.get(fields, "message") ?? ""}`
  return Effect.annotateLogs(
    log(ErrorField.printable(text)),
    processId === undefined ? {} : { "db.session.process_id": processId }
  )
}
