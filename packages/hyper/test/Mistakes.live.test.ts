/** The texts of errors that mistakes with Hyper lead to. */
import { assert, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as HyperdError from "@hyperfect/hyper/HyperdError"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import { SaveError } from "@hyperfect/hyper/SaveError"
import { TableMismatch } from "@hyperfect/hyper/TableMismatch"
import { Effect, type Layer, type Scope, Stream } from "effect"
import { inspect } from "node:util"
import { servers } from "./servers.ts"

type Services = Layer.Success<typeof servers.hyper>
type Failing = Effect.Effect<unknown, { readonly message: string }, Services | Scope.Scope>

interface Mistake {
  readonly make: Failing
  readonly text: string | RegExp
}

const thrownBy = (run: () => unknown): Failing => Effect.try({ try: run, catch: (thrown) => thrown as Error })

const Items = HyperTable.make("items", {
  n: HyperTable.Int,
  code: HyperTable.NullOr(HyperTable.Varchar(3))
})

const insert = (row: object): Failing => Items.insert([{ n: 1, code: null }, row as { n: number; code: null }])

const withClient = (
  use: (client: Client["Service"]) => Effect.Effect<unknown, { readonly message: string }, Scope.Scope>
) => Effect.flatMap(Client, use)

const mistakes: Readonly<Record<string, Mistake>> = {
  "a database that does not exist: its name": {
    make: Hyper.make({ database: "nowhere.hyper" }),
    text: /^"nowhere\.hyper" does not exist; create it, or check its path \(58S01: .*\)$/
  },
  "a mode of create that does not exist: those that do": {
    make: Hyper.make({ database: "x.hyper", create: "maybe" as "always" }),
    text: "create: must be one of never, always, atomic, if-not-exists, replace"
  },
  "a server program that does not exist: the places and the package": {
    make: Hyperd.make({ path: "/nowhere/hyperd" }),
    text:
      /^hyperd was not found in \/nowhere\/hyperd\. Give its path .* HYPERD_PATH, or install the package hyperdb-mcp-/
  },
  "a setting whose name has a blank: the setting": {
    make: Hyperd.make({ settings: { "no such": "x" } }),
    text: "the option settings.no such is not a setting's name and value"
  },
  "a table with other columns: each that differs": {
    make: Effect.gen(function*() {
      const client = yield* Client
      yield* client.query("create table differs (n bigint not null, other text)")
      const Differs = HyperTable.make("differs", { n: HyperTable.Int, code: HyperTable.NullOr(HyperTable.Varchar(3)) })
      return yield* Differs.insert([{ n: 1, code: null }])
    }),
    text: "the table \"differs\" is not as declared: \"n\" is declared as integer NOT NULL but is bigint NOT NULL; " +
      "\"code\" is declared as varchar(3) but missing"
  },
  "a table that was not created: its name": {
    make: HyperTable.make("nowhere", { n: HyperTable.Int }).insert([{ n: 1 }]),
    text: "42P01: table nowhere does not exist"
  },
  "a number out of range: the row and the column": {
    make: insert({ n: 2 ** 40, code: null }),
    text: "row 1, column 0 \"n\", int4 (HyperBinary): OutOfRange: wanted an integer from -2147483648 to 2147483647, " +
      "found another integer"
  },
  "a fraction in a row: the row and the column, and no cast": {
    make: insert({ n: 1.5, code: null }),
    text: "row 1, column 0 \"n\", int4 (HyperBinary): OutOfRange: wanted an integer from -2147483648 to 2147483647, " +
      "found a number with a fraction"
  },
  "a text that is too long: both lengths": {
    make: insert({ n: 1, code: "s3cret" }),
    text: "row 1, column 1 \"code\", varchar (HyperBinary): OutOfRange: wanted at most 3 characters, found 6"
  },
  "a row without a field: the column and null": {
    make: insert({ code: "x" }),
    text: "row 1, column 0 \"n\", int4 (HyperBinary): TypeMismatch: " +
      "wanted an integer from -2147483648 to 2147483647, found undefined; use null for NULL"
  },
  "null for a column that is NOT NULL: the column": {
    make: insert({ n: null, code: "x" }),
    text: "row 1, column 0 \"n\", int4 (HyperBinary): NullNotAllowed: wanted a value, as it is NOT NULL, found NULL"
  },
  "a string for a number: the column and both types": {
    make: insert({ n: "s3cret", code: "x" }),
    text: "row 1, column 0 \"n\", int4 (HyperBinary): TypeMismatch: " +
      "wanted an integer from -2147483648 to 2147483647, found string"
  },
  "a savepoint: that Hyper has none": {
    make: withClient((client) => client.transaction(client.transaction(client.query("select 1")))),
    text: "a transaction inside a transaction (savepoints): not supported by Hyper"
  },
  "COPY by query: the methods to use": {
    make: withClient((client) => client.query("copy items to stdout")),
    text: "COPY cannot run through query; use copyIn, copyOut or the Copy module"
  },
  "a double from simple: the methods that keep its digits": {
    make: withClient((client) => client.simple("select 1.5::double precision as x")),
    text: "column 0 \"x\", float8 (text): FormatUnsupported: wanted `query`, `values` or `stream`, " +
      "which read all digits, found a text of 15 digits"
  },
  "data that is not Arrow: the format": {
    make: HyperArrow.insert("items", Stream.make(new Uint8Array(8).fill(7))),
    text: "the data cannot be copied: they do not begin with a schema, as a stream of Arrow IPC does (at byte 0)"
  },
  "a truncated stream of Arrow: the place": {
    make: HyperArrow.insert("items", Stream.make(new Uint8Array([255, 255, 255, 255, 16, 0, 0, 0, 1]))),
    text: "the data cannot be copied: they end within a message of Arrow IPC (at byte 0)"
  },
  "a varchar of no length: the lengths that are possible": {
    make: thrownBy(() => HyperTable.Varchar(0)),
    text: "a length must be a whole number from 1 to 10485760, not 0"
  },
  "a numeric of too many digits: the precisions that are possible": {
    make: thrownBy(() => HyperTable.Numeric(50, 2)),
    text: "a precision must be a whole number from 1 to 38, not 50"
  },
  "a table without columns: its name": {
    make: thrownBy(() => HyperTable.make("empty", {})),
    text: "the table \"empty\" has no columns"
  }
}

layer(servers.hyper, { excludeTestServices: true, timeout: "60 seconds" })("Mistakes", (it) => {
  it.effect("have a table", () => Items.create)

  for (const [title, { make, text }] of Object.entries(mistakes)) {
    it.effect(`the error for ${title.replace(":", " names")}`, () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(make)
        if (typeof text === "string") assert.strictEqual(message, text)
        else assert.match(message, text)
        assert.notInclude(message, "s3cret")
      }))
  }

  it.effect("are printed with message and reason, and with control characters escaped", () =>
    Effect.sync(() => {
      const escape = "\u001b[31m"
      const errors = [
        HyperdError.fromReason(new HyperdError.SpawnFailed({ path: `/${escape}`, cause: new Error(escape) })),
        new SaveError({ databases: ["a.hyper"], outcome: "lost", cause: new Error(escape) }),
        new TableMismatch({ table: "t", columns: [{ name: "c", declared: "integer", found: escape }] })
      ]
      for (const error of errors) {
        const [first] = inspect(error).split("\n")
        const reason = "reason" in error ? ` (${error.reason._tag})` : ""
        assert.strictEqual(first, `${error.name}${reason}: ${error.message}`)
        assert.include(error.message, "\\u001b[31m")
      }
    }))
})
