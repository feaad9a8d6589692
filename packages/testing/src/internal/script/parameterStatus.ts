/** The settings that a server of either kind reports when a session begins. */
import type { Startup } from "@hyperfect/auth/Startup"

export const parameterStatus = (
  dialect: "postgres" | "hyper",
  { parameters, user }: Startup
): Readonly<Record<string, string>> => {
  const common = {
    application_name: parameters.get("application_name") ?? "",
    client_encoding: "UTF8",
    DateStyle: "ISO, MDY",
    integer_datetimes: "on",
    server_encoding: "UTF8",
    session_authorization: user,
    standard_conforming_strings: "on"
  }
  return dialect === "postgres"
    ? {
      ...common,
      default_transaction_read_only: "off",
      in_hot_standby: "off",
      IntervalStyle: "postgres",
      is_superuser: "off",
      scram_iterations: "4096",
      server_version: "18.0",
      TimeZone: "UTC"
    }
    // As hyperd sends them (H-27); the version is that of a fictitious build.
    : {
      ...common,
      IntervalStyle: "iso_8601",
      is_superuser: "on",
      server_version: "9.1.0",
      hyper_version: "main.0.0.0.scripted",
      TimeZone: "localtime",
      result_format_code: "Text",
      session_identifier: "scripted",
      connection_migration: "off",
      connection_routing: "off",
      connection_migration_reroute: "off"
    }
}
