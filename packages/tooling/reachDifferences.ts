/** Tests of the client that fail on older versions of PostgreSQL, because they test what a later version brought. */

interface Difference {
  /** The first version that has it. */
  readonly since: number
  readonly what: string
  readonly tests: RegExp
}

export const differences: ReadonlyArray<Difference> = [
  { since: 15, what: "COPY has HEADER in CSV only", tests: /^Copy: .*header of text/ },
  { since: 17, what: "no event triggers at login", tests: /^Notices: .*delivered from the login on/ },
  { since: 17, what: "no direct TLS (`sslnegotiation=direct`)", tests: /^SslMode: / },
  { since: 18, what: "the protocol's version is 3.0", tests: /^ProtocolVersion: / },
  { since: 18, what: "no OAuth", tests: /^OAuth: / },
  { since: 18, what: "the version is not 18", tests: /^Connect: .*kind and version/ }
]
