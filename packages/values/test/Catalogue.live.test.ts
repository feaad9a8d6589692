import { assert, layer } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { PostgresServer } from "@hyperfect/testing"
import { Catalogue, CopyFormat, RowReader, type Type, TypeRegistry } from "@hyperfect/values"
import { Effect, Equal, Layer, Result, Schema } from "effect"
import { dataRow, write } from "./fixtures.ts"
import { copyIn, copyOut, openChannel, query, type RawParameter, type RawResult } from "./rawQuery.ts"
import * as SqlLiterals from "./sqlLiterals.ts"

const Server = PostgresServer.layer({ authentication: "trust" }).pipe(Layer.provideMerge(NodePlatform.layer))

const connect = Effect.gen(function*() {
  const { database, endpoint, user } = yield* PostgresServer.PostgresServer
  return yield* openChannel(endpoint, { user, database })
})

const asText = 0
const asBinary = 1

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const printed = ({ rows }: RawResult): ReadonlyArray<ReadonlyArray<string | null>> =>
  rows.map((row) => row.map((bytes) => (bytes === null ? null : new TextDecoder().decode(bytes))))

const readRows = (
  { columns, rows }: RawResult,
  registry: TypeRegistry.TypeRegistry,
  formats: ReadonlyArray<Type.Format>
): ReadonlyArray<RowReader.ArrayRow> => {
  const reader = RowReader.arraysUnsafe({ columns, formats, registry })
  return rows.map((row) => {
    const body = dataRow(row)
    return reader(body, 0, body.length)
  })
}

/** Returns a registry that contains all types of these columns. */
const resolveTypes = Effect.fnUntraced(function*(channel: Parameters<typeof query>[0], { columns }: RawResult) {
  const oids = columns.map(({ typeOid }) => typeOid).filter((oid) => TypeRegistry.builtIn.find(oid) === undefined)
  const found = yield* query(channel, Catalogue.query(oids))
  const read = RowReader.objectsUnsafe({ columns: found.columns, formats: 0 })
  const rows = found.rows.map((row) => {
    const body = dataRow(row)
    return read(body, 0, body.length)
  })
  const described = Schema.decodeUnknownSync(Schema.Array(Catalogue.Row))(rows)
  return TypeRegistry.extend(TypeRegistry.builtIn, Catalogue.types(described, TypeRegistry.builtIn))
})

const formats: ReadonlyArray<readonly [name: string, format: CopyFormat.CopyFormat]> = [
  ["binary", CopyFormat.binary],
  ["text", CopyFormat.text()],
  ["CSV", CopyFormat.csv()]
]

layer(Server, { excludeTestServices: true, timeout: "60 seconds" })("Catalogue > derived types on PostgreSQL", (it) => {
  for (const [i, { literals: all, sql, type }] of [...SqlLiterals.common, ...SqlLiterals.postgres].entries()) {
    // Comparing numerics of a hundred thousand digits takes longer than reading them.
    const literals = all.filter((literal) => literal.length < 1000 && !/e[+-]?\d{4}/.test(literal))
    // Objects of the catalogue are numbers in binary and names in text.
    if (type.name.startsWith("reg")) continue
    it.effect(`${sql} is read back from composite types, domains, ranges and arrays, by query and by COPY`, () =>
      Effect.gen(function*() {
        const channel = yield* connect
        const [pair, domain, outer, range, table] = ["pair", "domain", "outer", "range", "made"].map((name) => name + i)
        yield* query(
          channel,
          `do $do$ begin
            create type ${pair} as (v ${sql}, a ${sql}[]);
            create domain ${domain} as ${sql};
            create type ${outer} as (d ${domain}, ds ${domain}[], p ${pair}[]);
          end $do$`
        )
        // Types without an order have no ranges.
        const hasRange = Result.isSuccess(
          yield* Effect.result(query(channel, `create type ${range} as range (subtype = ${sql.replace(/\(.*/, "")})`))
        )
        const values = literals.map((literal, id) => `(${id}, cast(${quoted(literal)} as ${sql}))`)
        yield* query(
          channel,
          `create temp table ${table} as select id, v, array[v, null] as a, row(v, array[v, null])::${pair} as p,
            row(v, array[v, null]::${domain}[], array[row(v, null)::${pair}, null])::${outer} as o
            ${hasRange ? `, ${range}(v, null, '[]') as r, array[${range}(null, v)] as rs` : ""}
            from (values ${values.join()}, (${literals.length}, null)) as t(id, v) order by id`
        )
        const everything = `select * from ${table} order by id`
        const inText = yield* query(channel, everything)
        const registry = yield* resolveTypes(channel, inText)
        const types = inText.columns.map(({ typeOid }) => registry.find(typeOid) ?? assert.fail(`no type ${typeOid}`))
        const texts = inText.columns.map((): Type.Format => asText)
        const binaries = types.map(({ binary }): Type.Format => (binary === undefined ? asText : asBinary))
        const rows = readRows(inText, registry, texts)
        const isBinary = binaries.every((format) => format === asBinary)
        if (isBinary) {
          const inBinary = readRows(yield* query(channel, everything, 1), registry, binaries)
          assert.isTrue(Equal.equals(inBinary, rows))
        }
        // Sends the values back in both formats, and compares them with the server's own text.
        const expected = printed(inText)
        for (const format of isBinary ? [0, 1] as const : [0] as const) {
          for (const [n, row] of rows.entries()) {
            const sent = row.map((value, column): RawParameter => ({
              oid: types[column]!.oid,
              format,
              bytes: value === null ? null : write(types[column]!, format, value)
            }))
            const back = yield* query(channel, `select ${sent.map((_, n) => `$${n + 1}`).join()}`, 0, sent)
            assert.deepStrictEqual(printed(back)[0], expected[n])
          }
        }
        const columns = inText.columns.map(({ name, typeModifier }, n) => ({ name, typeModifier, type: types[n]! }))
        for (const [name, format] of formats) {
          if (name === "binary" && !isBinary) continue
          const data = yield* copyOut(channel, `copy (${everything}) to stdout (${format.options})`)
          const read: Array<RowReader.ArrayRow> = []
          const reader = format.reader("array", columns)
          for (let at = 0; at < data.length; at += 50) reader.push(data, at, Math.min(at + 50, data.length), read)
          reader.end(read)
          assert.isTrue(Equal.equals(read, rows), name)
          const out = ByteWriter.make()
          const writer = format.writer("array", columns)
          writer.begin(out)
          for (const [n, row] of rows.entries()) writer.row(out, row, n)
          writer.end(out)
          yield* query(channel, `create temp table ${table}_${name} as select * from ${table} limit 0`)
          yield* copyIn(channel, `copy ${table}_${name} from stdin (${format.options})`, out.take())
          const copied = printed(yield* query(channel, `select * from ${table}_${name} order by id`))
          assert.deepStrictEqual(copied, expected, name)
        }
      }))
  }
})
