/** Settings from the environment and from files, and their precedence. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Config, ConfigProvider, Effect, FileSystem, type Layer, Logger, Redacted } from "effect"
import { inspect } from "node:util"

type Variables = Readonly<Record<string, string>>

const withVariables = (variables: Variables) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(variables)))

/** Reads a configuration from the environment, with the password as plain text. */
const fromEnvironment = (variables: Variables) =>
  Effect.map(ConnectionConfig.config.parse(ConfigProvider.fromUnknown(variables)), ({ password, ...config }) => ({
    ...config,
    ...(Redacted.isRedacted(password) ? { password: Redacted.value(password) } : {})
  }))

const localhost = Endpoint.tcp("localhost", 5432)

describe("config", () => {
  it.effect.each<readonly [variables: Variables, config: object]>([
    [{ PGUSER: "app" }, { user: "app", endpoint: localhost }],
    [{ USER: "me" }, { user: "me", endpoint: localhost }],
    [{ LOGNAME: "me" }, { user: "me", endpoint: localhost }],
    [{ USERNAME: "me" }, { user: "me", endpoint: localhost }],
    [{ USER: "me", PGUSER: "app" }, { user: "app", endpoint: localhost }],
    [{
      PGHOST: "a,/tmp",
      PGPORT: "1,2",
      PGUSER: "app",
      PGPASSWORD: "s3cret",
      PGDATABASE: "shop",
      PGAPPNAME: "till",
      PGOPTIONS: "-c a=b",
      PGSSLMODE: "require",
      PGCONNECT_TIMEOUT: "3",
      PGTARGETSESSIONATTRS: "read-write",
      PGLOADBALANCEHOSTS: "random",
      PGREQUIREAUTH: "scram-sha-256",
      PGSSLSNI: "0",
      PGSSLMINPROTOCOLVERSION: "TLSv1.3",
      PGMINPROTOCOLVERSION: "3.0",
      PGMAXPROTOCOLVERSION: "latest",
      PGSSLNEGOTIATION: "direct"
    }, {
      endpoint: Endpoint.tcp("a", 1),
      alternatives: [Endpoint.unix("/tmp/.s.PGSQL.2")],
      user: "app",
      password: "s3cret",
      database: "shop",
      applicationName: "till",
      options: "-c a=b",
      sslMode: "require",
      connectTimeout: 3000,
      targetSessionAttrs: "read-write",
      loadBalanceHosts: "random",
      policy: { methods: ["scram-sha-256"] },
      sslSni: false,
      minTlsVersion: "TLSv1.3",
      minProtocolVersion: "3.0",
      maxProtocolVersion: "3.2",
      sslNegotiation: "direct"
    }],
    [{ PGUSER: "app", PGHOSTADDR: "10.0.0.1", PGHOST: "db" }, {
      user: "app",
      endpoint: Endpoint.Tcp.make({ host: "db", port: 5432, address: "10.0.0.1" })
    }],
    [{ PGUSER: "app", PGREQUIRESSL: "1" }, { user: "app", endpoint: localhost, sslMode: "require" }],
    [{ PGUSER: "app", PGREQUIRESSL: "1", PGSSLMODE: "allow" }, { user: "app", endpoint: localhost, sslMode: "allow" }],
    [{ PGUSER: "app", PGTZ: "UTC", PGDATESTYLE: "iso", PGGEQO: "off" }, {
      user: "app",
      endpoint: localhost,
      parameters: { timezone: "UTC", datestyle: "iso", geqo: "off" }
    }],
    // With the system's root certificates the default of libpq becomes stricter, and weaker modes are refused.
    [{ PGUSER: "app", PGSSLROOTCERT: "system" }, { user: "app", endpoint: localhost, sslMode: "verify-full" }]
  ])("reads %j", ([variables, config]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual<object>(yield* fromEnvironment(variables), config)
    }))

  it.effect.each<readonly [variables: Variables, message: string]>([
    [{}, "user: is missing"],
    [{ PGUSER: "app", PGPORT: "s3cret" }, "port: is not a number from 1 to 65535"],
    [
      { PGUSER: "app", PGSSLMODE: "on" },
      "sslmode: must be one of disable, allow, prefer, require, verify-ca, verify-full"
    ],
    [{ PGUSER: "app", PGSERVICE: "shop" }, "service: is looked up by ConnectionConfig.load only"],
    [{ PGUSER: "app", PGREQUIREPEER: "postgres" }, "requirepeer: is not supported"]
  ])("refuses %j", ([variables, message]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fromEnvironment(variables))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, message)
      assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "s3cret")
    }))
})

/** Writes files into a new directory, optionally with permissions, and runs an effect that uses them. */
const withFiles = <A, E, R>(
  files: Readonly<Record<string, string | readonly [text: string | Uint8Array, mode: number]>>,
  use: (directory: string) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    for (const [name, file] of Object.entries(files)) {
      const [text, mode] = typeof file === "string" ? [file, 0o600] : file
      const path = `${directory}/${name}`
      yield* fs.makeDirectory(path.slice(0, path.lastIndexOf("/")), { recursive: true })
      yield* fs.writeFile(path, Buffer.from(text))
      yield* fs.chmod(path, mode)
    }
    return yield* use(directory)
  }).pipe(Effect.provide(NodeServices.layer))

/**
 * Loads a configuration from a text, variables and the files of a home directory. `~` stands for the home in the
 * variables.
 */
const load = (
  files: Parameters<typeof withFiles>[0],
  text: string,
  variables: Variables = {}
) =>
  withFiles(files, (home) => {
    const entries = Object.entries(variables).map(([name, value]) => [name, value.replace("~", home)])
    return ConnectionConfig.load(text.replaceAll("~", home)).pipe(
      Effect.mapError((error) => error.message.replaceAll(home, "~")),
      withVariables({ HOME: home, PGSYSCONFDIR: `${home}/etc`, USER: "me", ...Object.fromEntries(entries) })
    )
  })

/** The password of a configuration for each of its servers. */
const passwords = (config: ConnectionConfig.ConnectionConfig): ReadonlyArray<string | undefined> =>
  ConnectionConfig.endpoints(config).map((endpoint) => {
    const password = config.passwordOf?.(endpoint) ?? config.password
    return Redacted.isRedacted(password) ? Redacted.value(password) : undefined
  })

const services = `
# a comment
[other]
host=other
nonsense=1

  [my_srv]
  host=from-service${"  "}
port = 1
  # another
dbname=first
dbname=second
options=-c a = b

[last]
host=last
`.replace("port = 1", "port=1")

describe("layerConfig", () => {
  const provided = <E>(layer: Layer.Layer<ConnectionConfig.ConnectionConfig, E>, variables: Variables) =>
    Effect.provide(ConnectionConfig.ConnectionConfig, layer).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))
    )

  it.effect("provides the configuration of the environment", () =>
    Effect.gen(function*() {
      const variables = { PGUSER: "app", PGHOST: "db" }
      const config = yield* provided(ConnectionConfig.layerConfig(), variables)
      assert.deepStrictEqual<object>(config, { user: "app", endpoint: Endpoint.tcp("db", 5432) })
      const error = yield* Effect.flip(provided(ConnectionConfig.layerConfig(), { ...variables, PGSSLMODE: "on" }))
      assert.include(error.message, "sslmode: must be one of")
    }))

  it.effect("provides the configuration of a connection string in the environment", () =>
    Effect.gen(function*() {
      const variables = {
        URL: "postgresql://app:s3cret@db/shop?target_session_attrs=primary",
        BAD: "host=db pasword=s3cret"
      }
      const of = (name: string) => provided(ConnectionConfig.layerConfig(Config.Redacted(name)), variables)
      const { database, targetSessionAttrs, user } = yield* of("URL")
      assert.deepStrictEqual([user, database, targetSessionAttrs], ["app", "shop", "primary"])
      const error = yield* Effect.flip(of("BAD"))
      assert.include(error.message, "pasword: is not a setting; did you mean password?")
      assert.notInclude(inspect(error, { depth: 10 }), "s3cret")
      const plain = ConnectionConfig.layerConfig(Config.String("URL"))
      assert.strictEqual((yield* provided(plain, variables)).user, "app")
    }))

  it.effect("is not needed if the configuration is known", () =>
    Effect.gen(function*() {
      const config = yield* ConnectionConfig.fromUri("postgresql://app@db/shop")
      assert.strictEqual(yield* provided(ConnectionConfig.layer(config), {}), config)
    }))
})

describe("load > a service", () => {
  it.effect("takes precedence over the environment, but not over the text", () =>
    Effect.gen(function*() {
      const config = yield* load({ "srv.conf": services }, "service=my_srv host=from-text", {
        PGSERVICEFILE: "~/srv.conf",
        PGHOST: "from-environment",
        PGPORT: "2",
        PGUSER: "from-environment"
      })
      assert.deepStrictEqual<object>(config, {
        endpoint: Endpoint.tcp("from-text", 1),
        database: "first",
        options: "-c a = b",
        user: "from-environment"
      })
    }))

  it.effect.each<readonly [name: string, files: Readonly<Record<string, string>>, text: string, variables: Variables]>([
    ["named by a URI", { "a.conf": services }, "postgres://?service=my_srv", { PGSERVICEFILE: "~/a.conf" }],
    ["named by PGSERVICE", { "a.conf": services }, "", { PGSERVICEFILE: "~/a.conf", PGSERVICE: "my_srv" }],
    ["in the file that the text names", { "a.conf": services }, "service=my_srv servicefile=~/a.conf", {
      PGSERVICEFILE: "~/no.conf"
    }],
    ["in the home", { ".pg_service.conf": services }, "service=my_srv", {}],
    ["in the system's directory", { "etc/pg_service.conf": services }, "service=my_srv", {}],
    [
      "in the system's directory when the named file has it not",
      {
        "etc/pg_service.conf": services,
        "empty.conf": ""
      },
      "service=my_srv",
      { PGSERVICEFILE: "~/empty.conf" }
    ],
    [
      "in the system's directory when the home's file has it not",
      {
        "etc/pg_service.conf": services,
        ".pg_service.conf": "[other]\nhost=x"
      },
      "service=my_srv",
      {}
    ]
  ])("is found: %s", ([, files, text, variables]) =>
    Effect.gen(function*() {
      const { database, endpoint } = yield* load(files, text, variables)
      assert.deepStrictEqual([endpoint, database], [Endpoint.tcp("from-service", 1), "first"])
    }))

  it.effect.each<readonly [file: string, text: string, message: string]>([
    [
      services,
      "service=undefined-service",
      `service: there is no service "undefined-service" in ~/a.conf or ~/etc/pg_service.conf`
    ],
    [services, "service=other", "nonsense: is not a setting; did you mean passfile? (line 5 of ~/a.conf)"],
    ["[a]\nhost", "service=a", "service: line 2 of ~/a.conf has no ="],
    ["[a]\nservice=b", "service=a", "service: line 2 of ~/a.conf names another service"],
    ["[a]\nservicefile=b", "service=a", "service: line 2 of ~/a.conf names another service"],
    ["[a]\nport = 1", "service=a", "port : is not a setting; did you mean port? (line 2 of ~/a.conf)"],
    ["[a]\nport=x", "service=a", "port: is not a number from 1 to 65535"]
  ])("is refused: %j with %s", ([file, text, message]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(load({ "a.conf": file }, text, { PGSERVICEFILE: "~/a.conf" }))
      assert.strictEqual(error, message)
    }))

  it.effect("fails if the named file does not exist or cannot be read", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        load({ "etc/pg_service.conf": services }, "service=my_srv", { PGSERVICEFILE: "~/missing.conf" })
      )
      assert.strictEqual(error, "servicefile: the file ~/missing.conf cannot be read")
    }))
})

const passfile = String.raw`# host:port:database:user:password
#a:5432:shop:app:comment
b:5432:shop:app:for b
c:*:*:*:for\: c\\ and\ more:comment
localhost:5432:shop:app:local
/run/pg:5432:shop:app:by directory
fe80\:\:1:5432:shop:app:by address
broken:5432:shop
*:5433:shop:*:by port
*:*:app:*:by database
*:*:*:a\:b:by user`

describe("load > a password file", () => {
  it.effect.each<readonly [text: string, found: ReadonlyArray<string | undefined>]>([
    ["host=b dbname=shop user=app", ["for b"]],
    ["host=a,b,c dbname=shop user=app", [undefined, "for b", "for: c\\ and more"]],
    ["dbname=shop user=app", ["local"]],
    ["host=/tmp,/var/run/postgresql,/run/pg dbname=shop user=app", ["local", "local", "by directory"]],
    ["host=fe80::1 dbname=shop user=app", ["by address"]],
    ["host=broken dbname=shop user=app", [undefined]],
    ["host=x port=5433 dbname=shop user=y", ["by port"]],
    // The database's name defaults to the user's.
    ["host=x user=app", ["by database"]],
    ["host=x user=a:b dbname=z", ["by user"]],
    // The address is looked up if there is no name.
    ["hostaddr=10.0.0.1 host=b dbname=shop user=app", ["for b"]],
    ["hostaddr=b dbname=shop user=app", ["for b"]],
    ["host=b dbname=shop user=app password=given", ["given"]],
    ["host=b dbname=shop user=app password=''", ["for b"]]
  ])("provides the passwords for %j", ([text, found]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(passwords(yield* load({ ".pgpass": passfile }, text)), found)
      assert.deepStrictEqual(passwords(yield* load({ f: passfile }, `${text} passfile=~/f`)), found)
      assert.deepStrictEqual(
        passwords(yield* load({ f: passfile.replaceAll("\n", "\r\n") }, text, { PGPASSFILE: "~/f" })),
        found
      )
    }))

  it.effect("is used only if no other source has a password", () =>
    Effect.gen(function*() {
      const files = { ".pgpass": "*:*:*:*:file", "a.conf": "[a]\npassword=service" }
      const service = { PGSERVICEFILE: "~/a.conf", PGSERVICE: "a" }
      const all = { ...service, PGPASSWORD: "environment" }
      assert.deepStrictEqual(passwords(yield* load(files, "password=text", all)), ["text"])
      assert.deepStrictEqual(passwords(yield* load(files, "", all)), ["service"])
      assert.deepStrictEqual(passwords(yield* load(files, "", { PGPASSWORD: "environment" })), ["environment"])
      assert.deepStrictEqual(passwords(yield* load(files, "")), ["file"])
    }))

  it.effect.each([0o640, 0o604, 0o660, 0o601])(
    "is ignored with permissions %o, with a warning",
    (mode) =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const collect = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel}: ${String(message)}`))
        const config = yield* load({ ".pgpass": ["*:*:*:*:s3cret", mode] }, "").pipe(
          Effect.provide(Logger.layer([collect]))
        )
        assert.deepStrictEqual(passwords(config), [undefined])
        assert.strictEqual(lines.length, 1)
        assert.match(lines[0]!, /^Warn: .*\.pgpass is not used: it is accessible to users other than its owner/)
        assert.notInclude(lines[0]!, "s3cret")
      })
  )

  it.effect("fails if the matching password is not UTF-8, without revealing it", () =>
    Effect.gen(function*() {
      const latin1 = Buffer.from("# comment\nother:*:*:*:ok\n*:*:*:app:s3cr\xe9t\n*:*:*:*:last\n", "latin1")
      const files = { ".pgpass": [latin1, 0o600] } as const
      assert.deepStrictEqual(passwords(yield* load(files, "host=other user=app")), ["ok"])
      assert.deepStrictEqual(passwords(yield* load(files, "host=db user=b")), ["last"])
      for (const host of ["db", "other,db"]) {
        const error = yield* Effect.flip(load(files, `host=${host} user=app`))
        assert.strictEqual(
          error,
          "passfile: the password in line 3 of ~/.pgpass is not UTF-8, in which passwords are sent; write the file in UTF-8"
        )
      }
    }))

  it.effect("is ignored if it is a directory or does not exist", () =>
    Effect.gen(function*() {
      const silent = Logger.layer([])
      assert.deepStrictEqual(passwords(yield* Effect.provide(load({ ".pgpass/x": "" }, ""), silent)), [undefined])
      assert.deepStrictEqual(passwords(yield* load({}, "passfile=~/missing")), [undefined])
    }))
})

const pem = (what: string) => `-----BEGIN ${what}-----\n`

describe("load > certificates", () => {
  it.effect("are read from the named files", () =>
    Effect.gen(function*() {
      const files = { r: pem("ROOT"), c: pem("CERT"), k: pem("KEY"), l: pem("CRL") }
      const config = yield* load(files, "sslmode=verify-ca", {
        PGSSLROOTCERT: "~/r",
        PGSSLCERT: "~/c",
        PGSSLKEY: "~/k",
        PGSSLCRL: "~/l"
      })
      assert.strictEqual(config.rootCertificates, pem("ROOT"))
      assert.strictEqual(config.certificate, pem("CERT"))
      assert.strictEqual(config.key === undefined ? "" : Redacted.value(config.key), pem("KEY"))
      assert.strictEqual(config.revocationList, pem("CRL"))
    }))

  it.effect("revocation lists are read from every file of a directory", () =>
    Effect.gen(function*() {
      const list = (what: string) => `${pem("X509 CRL")}${what}\n`
      const files = {
        "lists/5f2b3c.r0": list("one"),
        "lists/a.pem": list("two"),
        "lists/also one": list("one"),
        "lists/README": "no list",
        "lists/more/x": list("not looked at"),
        l: pem("CRL")
      }
      const config = yield* load(files, "sslmode=require sslcrldir=~/lists")
      assert.strictEqual(config.revocationList, `${list("one")}\n${list("two")}`)
      const both = yield* load(files, "sslmode=require sslcrl=~/l", { PGSSLCRLDIR: "~/lists" })
      assert.strictEqual(both.revocationList, `${pem("CRL")}\n${list("one")}\n${list("two")}`)
    }))

  it.effect("are read from the default files, unless TLS is disabled", () =>
    Effect.gen(function*() {
      const files = {
        ".postgresql/root.crt": pem("ROOT"),
        ".postgresql/postgresql.crt": pem("CERT"),
        ".postgresql/postgresql.key": pem("KEY"),
        ".postgresql/root.crl": pem("CRL")
      }
      const config = yield* load(files, "")
      assert.deepStrictEqual([config.rootCertificates, config.certificate, config.revocationList], [
        pem("ROOT"),
        pem("CERT"),
        pem("CRL")
      ])
      assert.isDefined(config.key)
      const plain = yield* load(files, "sslmode=disable")
      assert.deepStrictEqual<object>(plain, { sslMode: "disable", endpoint: localhost, user: "me" })
      const system = yield* load(files, "sslrootcert=system")
      assert.strictEqual(system.rootCertificates, undefined)
    }))

  it.effect.each<readonly [text: string, message: string]>([
    ["sslrootcert=~/no", "sslrootcert: the file ~/no cannot be read"],
    ["sslcert=~/no", "sslcert: the file ~/no cannot be read"],
    ["sslcert=~/c sslkey=~/no", "sslkey: the file ~/no cannot be read"],
    [
      "sslcert=~/c sslkey=~/open",
      "sslkey: the file ~/open is accessible to users other than its owner; its permissions " +
      "should be 0600 or less"
    ],
    ["sslrootcert=~/text", "sslrootcert: the file ~/text is not in PEM"],
    ["sslcrldir=~/no", "sslcrldir: the directory ~/no cannot be read"],
    ["sslcrldir=~/empty", "sslcrldir: there is no list of revoked certificates in PEM in ~/empty"]
  ])("are refused: %s", ([text, message]) =>
    Effect.gen(function*() {
      const files = { c: pem("CERT"), open: [pem("KEY"), 0o644], text: "s3cret", "empty/x": "s3cret" } as const
      assert.strictEqual(yield* Effect.flip(load(files, text)), message)
    }))

  it.effect("are not looked for without a home directory", () =>
    Effect.gen(function*() {
      const config = yield* ConnectionConfig.load("user=app").pipe(
        withVariables({}),
        Effect.provide(NodeServices.layer)
      )
      assert.deepStrictEqual<object>(config, { endpoint: localhost, user: "app" })
    }))
})

describe("load", () => {
  it.effect.each(["user=app nonsense=s", "host='s3cret", "port=x"])("refuses %j", (text) =>
    Effect.gen(function*() {
      assert.include(yield* Effect.flip(load({}, text)), ":")
    }))
})

describe("load > on Windows", () => {
  const pem = (name: string) => `-----BEGIN ${name}-----\n`
  const files = {
    "data/postgresql/pgpass.conf": ["*:*:*:*:s3cret", 0o666],
    "data/postgresql/pg_service.conf": "[a]\nhost=a\nsslmode=verify-ca\nuser=app",
    "data/postgresql/root.crt": pem("CERTIFICATE"),
    "data/postgresql/postgresql.crt": pem("CERTIFICATE"),
    "data/postgresql/postgresql.key": [pem("PRIVATE KEY"), 0o666],
    ".pgpass": "*:*:*:*:other",
    ".pg_service.conf": "[a]\nhost=other"
  } as const

  it.effect("reads the files of APPDATA, whose permissions say nothing, also if a shell has set HOME", () =>
    Effect.gen(function*() {
      const config = yield* load(files, "service=a", { APPDATA: "~/data", OS: "Windows_NT" })
      assert.deepStrictEqual(passwords(config), ["s3cret"])
      assert.deepStrictEqual(config.endpoint, Endpoint.tcp("a", 5432))
      assert.strictEqual(config.rootCertificates, pem("CERTIFICATE"))
      assert.strictEqual(config.certificate, pem("CERTIFICATE"))
      assert.strictEqual(config.key && Redacted.value(config.key), pem("PRIVATE KEY"))
    }))

  it.effect("does not read them on other systems", () =>
    Effect.gen(function*() {
      const config = yield* load(files, "service=a", { APPDATA: "~/data" })
      assert.deepStrictEqual(passwords(config), ["other"])
      assert.deepStrictEqual(config.endpoint, Endpoint.tcp("other", 5432))
    }))
})
