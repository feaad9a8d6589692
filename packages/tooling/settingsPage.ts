/** The documentation page that lists the connection settings. */
import { keywords, type Places, settingTable } from "../client/src/internal/config/settingTable.ts"
import { tableOf } from "./messagesPage.ts"

/** The fields that are made of several settings. */
const combined: { readonly [Part in keyof Places]?: string } = {
  hosts: "endpoint",
  addresses: "endpoint",
  ports: "endpoint",
  certificateMode: "certificate",
  requireAuth: "policy",
  channelBinding: "policy",
  scramClientKey: "scramKeys",
  scramServerKey: "scramKeys",
  oauthIssuer: "oauth",
  oauthClientId: "oauth",
  oauthClientSecret: "oauth",
  oauthScope: "oauth"
}

export const render = (): string =>
  [
    "# Connection settings",
    "",
    "Generated from the table in `packages/client/src/internal/config/settingTable.ts`. URIs, keyword/value strings and",
    "service files can have the keywords of libpq in PostgreSQL 18, and `servicefile` and `oauth_ca_file` of PostgreSQL 19.",
    "Any other keyword is an error. `PGREQUIRESSL` and the keyword `requiressl` set `sslmode`; `PGDATESTYLE`, `PGTZ` and",
    "`PGGEQO` set start-up parameters.",
    "",
    tableOf([
      ["Keyword", "Variable", "Secret", "Field of `ConnectionConfig`, or reason for its absence"],
      ...keywords.map((keyword) => {
        const setting = settingTable[keyword]
        return [
          `\`${keyword}\``,
          setting.variable === undefined ? "" : `\`${setting.variable}\``,
          setting.isSecret === true ? "yes" : "",
          "place" in setting ? `\`${combined[setting.place] ?? setting.place}\`` : setting.note
        ]
      })
    ]),
    ""
  ].join("\n")
