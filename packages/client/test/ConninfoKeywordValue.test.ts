import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Conninfo from "@hyperfect/client/Conninfo"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Redacted } from "effect"

/** Parses a text into its settings, with secrets as plain text, or the message of the error. */
const parse = (text: string) =>
  Effect.match(Conninfo.parse(text), {
    onFailure: (error) => error.message,
    onSuccess: (settings) =>
      Object.fromEntries(
        Array.from(
          settings,
          ([key, value]) => [key, String(Redacted.isRedacted(value) ? Redacted.value(value) : value)]
        )
      )
  })
const { endpoints, fromString } = ConnectionConfig

describe("a keyword/value string", () => {
  it.effect.each<readonly [text: string, settings: Readonly<Record<string, string>>]>([
    ["", {}],
    [" \t\r\n\v\f", {}],
    ["host=db", { host: "db" }],
    ["host=db port=5433 dbname=shop", { host: "db", port: "5433", dbname: "shop" }],
    ["  host = db\n port\t=\r5433  ", { host: "db", port: "5433" }],
    ["user='my name' password=''", { user: "my name", password: "" }],
    ["user= port=1", { user: "port=1" }],
    ["user=", { user: "" }],
    ["user='' host=db", { user: "", host: "db" }],
    // No blank is needed after a quote.
    ["user='a'host=db", { user: "a", host: "db" }],
    ["user=a host=b user=c", { user: "c", host: "b" }],
    [String.raw`password=it\'s\\\ \a user='it\'s \\ \n'`, {
      password: String.raw`it's\ a`,
      user: String.raw`it's \ n`
    }],
    ["password=a\\", { password: "a" }],
    ["password=a'b options='-c a=b'", { password: "a'b", options: "-c a=b" }],
    ["password=a=b", { password: "a=b" }],
    ["user=\u00a0ä\u{1f600}\\\u{1f600}", { user: "\u00a0ä\u{1f600}\u{1f600}" }],
    ["requiressl=1", { sslmode: "require" }]
  ])("is read: %j", ([text, settings]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* parse(text), settings)
    }))

  it.effect.each<readonly [text: string, message: string]>([
    ["host", "conninfo: the setting at character 1 has no =; values with blanks must be quoted"],
    ["user=a s3cret", "conninfo: the setting at character 8 has no =; values with blanks must be quoted"],
    ["password=my s3cret user=a", "conninfo: the setting at character 13 has no =; values with blanks must be quoted"],
    ["password='s3cret", "conninfo: a quoted value does not end"],
    ["password='s3cret\\", "conninfo: a quoted value does not end"],
    ["password='s3cret\\'", "conninfo: a quoted value does not end"],
    ["hosst=a", "hosst: is not a setting; did you mean host?"],
    ["HOST=a", "HOST: is not a setting; did you mean host?"],
    ["password=s3cret\0", "password: may not hold a zero character"],
    ["constructor=1", "constructor: is not a setting; did you mean connect_timeout?"],
    ["ssl=true", "ssl: is not a setting; did you mean sslmode?"]
  ])("is refused: %j", ([text, message]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* parse(text), message)
    }))

  it.effect("may be long", () =>
    Effect.gen(function*() {
      assert.include(yield* parse(`user=a${" ".repeat(200_000)}b`), "has no =")
      assert.deepStrictEqual(yield* parse(`user='${"\\'".repeat(200_000)}'`), { user: "'".repeat(200_000) })
    }))
})

describe("fromString", () => {
  it.effect("accepts a URI as well", () =>
    Effect.gen(function*() {
      const uri = yield* fromString("postgresql://app:s3cret@db:5433/shop")
      const words = yield* fromString("host=db port=5433 user=app password=s3cret dbname=shop")
      assert.deepStrictEqual<object>({ ...uri, password: undefined }, { ...words, password: undefined })
      assert.isTrue(Redacted.isRedacted(words.password) && Redacted.value(words.password) === "s3cret")
    }))

  it.effect.each<readonly [text: string, wanted: ReadonlyArray<Endpoint.Endpoint>]>([
    ["", [Endpoint.tcp("localhost", 5432)]],
    ["host=a", [Endpoint.tcp("a", 5432)]],
    ["host=a,b", [Endpoint.tcp("a", 5432), Endpoint.tcp("b", 5432)]],
    ["host=a,b port=1", [Endpoint.tcp("a", 1), Endpoint.tcp("b", 1)]],
    ["host=a,b port=1,2", [Endpoint.tcp("a", 1), Endpoint.tcp("b", 2)]],
    ["host=a,,c port=1,,3", [Endpoint.tcp("a", 1), Endpoint.tcp("localhost", 5432), Endpoint.tcp("c", 3)]],
    ["host=/tmp,b port=,2", [Endpoint.unix("/tmp/.s.PGSQL.5432"), Endpoint.tcp("b", 2)]],
    ["hostaddr=10.0.0.1", [Endpoint.tcp("10.0.0.1", 5432)]],
    ["host=a hostaddr=10.0.0.1", [Endpoint.Tcp.make({ host: "a", port: 5432, address: "10.0.0.1" })]],
    ["host=a,b hostaddr=10.0.0.1,", [
      Endpoint.Tcp.make({ host: "a", port: 5432, address: "10.0.0.1" }),
      Endpoint.tcp("b", 5432)
    ]],
    ["hostaddr=::1,::2 port=' 7 '", [Endpoint.tcp("::1", 7), Endpoint.tcp("::2", 7)]],
    ["host=fe80::1%eth0", [Endpoint.tcp("fe80::1%eth0", 5432)]]
  ])("finds the servers of %j", ([text, wanted]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(endpoints(yield* fromString(`user=app ${text}`)), wanted)
    }))

  it.effect.each<readonly [text: string, config: object]>([
    ["sslmode=verify-full sslnegotiation=direct sslsni=0", {
      sslMode: "verify-full",
      sslNegotiation: "direct",
      sslSni: false
    }],
    ["sslsni=1 sslcompression=1 gssencmode=prefer krbsrvname=x gsslib=y gssdelegation=1 replication=off", {}],
    ["sslrootcert=system", { sslMode: "verify-full" }],
    ["sslrootcert='-----BEGIN CERTIFICATE-----' sslmode=verify-ca", {
      sslMode: "verify-ca",
      rootCertificates: "-----BEGIN CERTIFICATE-----"
    }],
    ["sslcert='-----BEGIN A-----' sslcertmode=allow", { certificate: "-----BEGIN A-----" }],
    ["sslcert='-----BEGIN A-----' sslkey='-----BEGIN B-----' sslcertmode=disable", {}],
    ["sslcrl='-----BEGIN X509 CRL-----' sslrootcert='' sslcert='' sslkey=''", {
      revocationList: "-----BEGIN X509 CRL-----"
    }],
    ["ssl_min_protocol_version=tlsv1.3 ssl_max_protocol_version=TLSv1.3", {
      minTlsVersion: "TLSv1.3",
      maxTlsVersion: "TLSv1.3"
    }],
    ["ssl_min_protocol_version='' min_protocol_version='' max_protocol_version=''", {}],
    ["min_protocol_version=3.0 max_protocol_version=latest", { minProtocolVersion: "3.0", maxProtocolVersion: "3.2" }],
    ["min_protocol_version=3.2", { minProtocolVersion: "3.2" }],
    ["min_protocol_version=latest max_protocol_version=3.2", {
      minProtocolVersion: "3.2",
      maxProtocolVersion: "3.2"
    }],
    ["channel_binding=require", { policy: { channelBinding: "require" } }],
    ["channel_binding=disable require_auth=scram-sha-256", {
      policy: { methods: ["scram-sha-256"], channelBinding: "disable" }
    }],
    ["target_session_attrs=prefer-standby load_balance_hosts=random", {
      targetSessionAttrs: "prefer-standby",
      loadBalanceHosts: "random"
    }],
    ["connect_timeout=' 5 '", { connectTimeout: 5000 }],
    ["connect_timeout=0", { connectTimeout: 0 }],
    ["connect_timeout=-7", { connectTimeout: 0 }],
    ["keepalives=0", { keepAlive: false }],
    ["keepalives_interval=5 keepalives_count=3", { keepAliveInterval: 5000, keepAliveCount: 3 }],
    ["keepalives_interval=0 keepalives_count=0", {}],
    ["keepalives=1 keepalives_idle=30", { keepAlive: true, keepAliveInitialDelay: 30_000 }],
    ["fallback_application_name=a", { applicationName: "a" }],
    ["fallback_application_name=a application_name=b", { applicationName: "b" }],
    ["application_name='' options=''", {}],
    ["client_encoding=UTF8", {}],
    ["password=a passfile=/x", { password: true }],
    ["require_auth=scram-sha-256", { policy: { methods: ["scram-sha-256"] } }],
    ["require_auth=md5,none", { policy: { methods: ["trust", "md5"], allowMd5WithoutTls: true } }],
    ["require_auth=password", { policy: { methods: ["password"], allowCleartextWithoutTls: true } }],
    ["require_auth=!password,!none", { policy: { methods: ["md5", "gss", "sspi", "oauth", "scram-sha-256"] } }],
    ["require_auth=gss,sspi", { policy: { methods: ["gss", "sspi"] } }],
    ["require_auth=''", {}]
  ])("converts the settings of %j", ([text, wanted]) =>
    Effect.gen(function*() {
      const { password, ...config } = yield* fromString(`user=app host=h ${text}`)
      assert.deepStrictEqual<object>(
        { ...config, ...(password === undefined ? {} : { password: true }) },
        { user: "app", endpoint: Endpoint.tcp("h", 5432), ...wanted }
      )
    }))

  it.effect.each<readonly [text: string, kind: string, setting: string]>([
    ["hostaddr=1.1.1.1,2.2.2.2 host=a", "invalid", "hostaddr"],
    ["host=a,b port=1,2,3", "invalid", "port"],
    ["port=1,2", "invalid", "port"],
    ["port=0", "invalid", "port"],
    ["port=65536", "invalid", "port"],
    ["port=1e3", "invalid", "port"],
    ["host='a b'", "invalid", "host"],
    ["host=@abstract", "unsupported", "host"],
    ["host=a hostaddr=/tmp", "invalid", "hostaddr"],
    ["sslmode=", "invalid", "sslmode"],
    ["sslmode=Require", "invalid", "sslmode"],
    ["sslmode=verify-ca", "invalid", "sslmode"],
    ["sslrootcert=system sslmode=require", "invalid", "sslrootcert"],
    ["sslrootcert=root.crt", "unsupported", "sslrootcert"],
    ["sslkey=my.key", "unsupported", "sslkey"],
    ["sslcertmode=require", "unsupported", "sslcertmode"],
    ["sslnegotiation=direct", "invalid", "sslnegotiation"],
    ["sslnegotiation=direct sslmode=disable", "invalid", "sslnegotiation"],
    ["sslnegotiation=direct sslmode=allow", "invalid", "sslnegotiation"],
    ["sslnegotiation=direct sslmode=prefer", "invalid", "sslnegotiation"],
    ["sslnegotiation=requiredirect", "invalid", "sslnegotiation"],
    ["ssl_min_protocol_version=TLSv1.4", "invalid", "ssl_min_protocol_version"],
    ["ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", "invalid", "ssl_max_protocol_version"],
    ["connect_timeout=1.5", "invalid", "connect_timeout"],
    ["connect_timeout=99999999999", "invalid", "connect_timeout"],
    ["connect_timeout=3000000000", "invalid", "connect_timeout"],
    ["target_session_attrs=master", "invalid", "target_session_attrs"],
    ["load_balance_hosts=doesnotexist", "invalid", "load_balance_hosts"],
    ["channel_binding=maybe", "invalid", "channel_binding"],
    ["min_protocol_version=3.2 max_protocol_version=3.0", "invalid", "min_protocol_version"],
    ["min_protocol_version=3", "invalid", "min_protocol_version"],
    ["max_protocol_version=LATEST", "invalid", "max_protocol_version"],
    ["max_protocol_version=3.1", "invalid", "max_protocol_version"],
    ["gssencmode=require", "unsupported", "gssencmode"],
    ["client_encoding=LATIN1", "unsupported", "client_encoding"],
    ["replication=database", "unsupported", "replication"],
    ["host=a,b,c port=1,2,3 load_balance_hosts=doesnotexist", "invalid", "load_balance_hosts"],
    ["requirepeer=postgres", "unsupported", "requirepeer"],
    ["sslcrldir=/x", "unsupported", "sslcrldir"],
    ["sslkeylogfile=/x", "unsupported", "sslkeylogfile"],
    ["tcp_user_timeout=5", "unsupported", "tcp_user_timeout"],
    ["keepalives_interval=x", "invalid", "keepalives_interval"],
    ["keepalives_count=1.5", "invalid", "keepalives_count"],
    ["scram_client_key=x", "missing", "scram_server_key"],
    ["scram_server_key=x", "missing", "scram_client_key"],
    ["scram_client_key=YQ== scram_server_key=YQ==", "invalid", "scram_client_key"],
    ["oauth_issuer=x oauth_client_id=y", "invalid", "oauth_issuer"],
    ["oauth_issuer=http://id.example oauth_client_id=y", "invalid", "oauth_issuer"],
    ["oauth_issuer=https://id.example", "missing", "oauth_client_id"],
    ["oauth_client_id=y", "missing", "oauth_issuer"],
    ["oauth_scope=y", "missing", "oauth_issuer"],
    ["oauth_issuer=https://id.example oauth_client_id=y oauth_ca_file=/x", "unsupported", "oauth_ca_file"],
    ["service=x", "unsupported", "service"],
    ["passfile=/x", "unsupported", "passfile"],
    ["require_auth=scram", "invalid", "require_auth"],
    ["require_auth=md5,!none", "invalid", "require_auth"],
    ["require_auth=!md5,none", "invalid", "require_auth"],
    ["require_auth=md5,md5", "invalid", "require_auth"],
    ["require_auth=!none,!none", "invalid", "require_auth"],
    ["require_auth=md5,", "invalid", "require_auth"],
    ["user=", "missing", "user"]
  ])("refuses %j", ([text, kind, setting]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromString(`user=app ${text}`))
      assert.deepStrictEqual([error.kind, error.setting], [kind, setting])
    }))
})
