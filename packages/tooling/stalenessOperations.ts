/**
 * The operations of a random sequence: statements that are run repeatedly, and everything that changes their meaning.
 */

import type { Value } from "./stalenessOracle.ts"

/** A statement with its parameters. */
export interface Call {
  readonly text: string
  readonly parameters: ReadonlyArray<Value>
}

/** The ways to run one statement. */
export const methods = ["query", "values", "columns", "execute", "stream", "fetch"] as const

/** The options of a transaction that change the meaning of names. */
export interface NameOptions {
  readonly settings?: { readonly search_path: string }
  readonly role?: string
}

/** One step of a sequence. */
export type Operation =
  | { readonly _tag: "Run"; readonly method: typeof methods[number]; readonly call: Call }
  /** Prepares a statement explicitly, to run it later. */
  | { readonly _tag: "Prepare"; readonly slot: number; readonly text: string }
  | { readonly _tag: "RunPrepared"; readonly slot: number; readonly parameters: ReadonlyArray<Value> }
  | { readonly _tag: "Batch" | "Pipeline"; readonly calls: ReadonlyArray<Call> }
  | { readonly _tag: "Simple"; readonly text: string }
  | { readonly _tag: "CopyIn"; readonly text: string; readonly data: string }
  /** Another session changes something. */
  | { readonly _tag: "Others"; readonly text: string }
  | {
    readonly _tag: "Transaction"
    readonly operations: ReadonlyArray<Operation>
    readonly succeeds: boolean
    readonly options: NameOptions
  }

/** Kinds of operations, to which a run can be restricted. */
export type Kind = keyof typeof weights

/** The relative frequency of each kind. */
const weights = {
  read: 30,
  record: 4,
  write: 12,
  prepare: 6,
  batch: 4,
  pipeline: 4,
  copy: 2,
  names: 8,
  control: 8,
  transaction: 8,
  session: 5,
  path: 5,
  ddl: 10,
  others: 8
}

export const kinds = Object.keys(weights) as ReadonlyArray<Kind>

/** The setup of a server for all databases. */
export const serverSetup = ["create role a", "create role b"]

/** Returns SQL for two schemas with the same names in them, which have different meanings. */
export const setup = (database: string): string => `
  set lock_timeout = 0;
  drop schema if exists a, b cascade;
  alter database ${database} set search_path to a;
  create schema a;
  create schema b;
  set search_path to a;
  create type color as enum ('red', 'green');
  create type pair as (x int4, y int4);
  create table t (id int4, n int4, m color, p pair);
  insert into t values (1, 10, 'red', (1, 2)), (2, 20, 'green', (3, null));
  set search_path to b;
  create type color as enum ('green', 'red');
  create type pair as (y int4, x int4);
  create table t (p pair, m color, id int8, n float4);
  insert into t values ((5, 6), 'green', 1, 0.5);
  reset search_path;
  grant all on schema a, b to a, b;
  grant all on all tables in schema a, b to a, b;
  set lock_timeout = '50ms'
  `

/** Makes a generator of numbers from 0 to 1, the same for the same seed. */
export const makeRandom = (seed: number) => {
  let state = seed | 0
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type ValueKind = "number" | "small" | "color" | "pair" | "flag"

const values: Readonly<Record<ValueKind, ReadonlyArray<Value>>> = {
  number: [1, 2, -7, 3_000_000_000, 0.1, null],
  small: [1, 2, 3],
  color: ["red", "green", "blue", "crimson", null],
  pair: [{ x: 1, y: 2 }, { x: null, y: 7 }, { x: 3, y: 4, z: 5 }, null],
  flag: [true, false]
}

/** Statements, each with the kinds of its parameters. */
type Template = readonly [text: string, ...parameters: ReadonlyArray<ValueKind>]

const reads: ReadonlyArray<Template> = [
  ["select * from t order by id"],
  ["select m from t order by id"],
  ["select p from t order by id"],
  ["select t as whole from t order by id"],
  ["select p, n from t where id = $1", "small"],
  ["select id, n from t where m = $1", "color"],
  ["select array_agg(p order by id) as ps from t"],
  ["select array_agg(m order by id) as ms from t"],
  ["select count(*) as many from t where n < $1", "number"],
  ["select $1::color as c", "color"],
  ["select $1::pair as c", "pair"],
  ["select ($1::pair).x as x", "pair"],
  ["select $1 as flag, 1 as one", "flag"],
  ["select * from t limit 0"],
  ["show search_path"],
  ["select current_user::text as who"],
  ["select 1 as one"]
]

const records: ReadonlyArray<Template> = [
  ["select row(1, m) as r from t order by id"],
  ["select row(1, 'red'::color, p) as r from t order by id"]
]

const writes: ReadonlyArray<Template> = [
  ["insert into t (id, n) values ($1, $2)", "small", "number"],
  ["insert into t (id, m) values ($1, $2)", "small", "color"],
  ["insert into t (id, p) values ($1, $2)", "small", "pair"],
  ["insert into t (id) values ($1) returning *", "number"],
  ["update t set n = $1 where id = $2", "number", "small"],
  ["update t set p = $1 where id = $2 returning p", "pair", "small"],
  ["delete from t where id = $1", "number"]
]

/** Possible definitions of the names `c` and `p`. */
const meanings = [
  "select 1::int4 as a",
  "select 1.5::float4 as a",
  "select 'abcd'::text as a",
  "select 'red'::color as a",
  "select * from t order by id"
]

const names: ReadonlyArray<string> = [
  ...meanings.map((meaning) => `declare c scroll cursor for ${meaning}`),
  ...meanings.map((meaning) => `declare c scroll cursor with hold for ${meaning}`),
  "fetch first from c",
  "fetch all from c",
  "close c",
  ...meanings.map((meaning) => `prepare p as ${meaning}`),
  "execute p",
  "execute p",
  "deallocate p"
]

const savepoints = ["savepoint s", "rollback to savepoint s", "release savepoint s"]

const control = ["begin", "begin", "commit", "rollback", ...savepoints]

const session = [
  "deallocate all",
  "discard all",
  "discard plans",
  "reset all",
  "set role a",
  "set role b",
  "reset role"
]

const localPath = ["set local search_path to b", "set local search_path to a", "set local role b"]

const path = [
  "set search_path to a",
  "set search_path to b",
  "set search_path to b, a",
  "set search_path to \"$user\"",
  "reset search_path",
  "select set_config('search_path', 'b', false) as path"
]

const nameOptions: ReadonlyArray<NameOptions> = [
  {},
  {},
  { role: "b" },
  { settings: { search_path: "b" } },
  { settings: { search_path: "\"$user\"" }, role: "a" },
  { settings: { search_path: "\"$user\"" }, role: "b" }
]

const ddl: ReadonlyArray<string> = [
  "alter table t add column e int4 default 5",
  "alter table t add column e color default 'red'",
  "alter table t drop column e",
  "alter table t drop column p",
  "alter table t add column p pair",
  "alter table t rename column n to k",
  "alter table t rename column k to n",
  ...["int4", "int8", "float4", "float8", "text"].map((type) => `alter table t alter n type ${type} using n::${type}`),
  "alter table t alter id type int8",
  "drop table t",
  "create table t (m color, id int4, p pair, n int8)",
  "create table t (id int4, n text, m color, p pair)",
  "alter type pair add attribute z int4",
  "alter type pair drop attribute z",
  "alter type pair rename attribute x to w",
  "alter type pair rename attribute w to x",
  "alter type pair drop attribute y; alter type pair add attribute y int4",
  "alter type pair drop attribute y; alter type pair add attribute w int4",
  "drop type pair cascade; create type pair as (y int4, x int4); alter table t add column p pair",
  "alter type color add value if not exists 'blue'",
  "alter type color rename value 'red' to 'crimson'",
  "alter type color rename value 'crimson' to 'red'",
  "alter type color rename to color_old; create type color as enum ('crimson', 'red', 'green', 'blue'); " +
  "alter table t alter m type color using m::text::color; drop type color_old",
  "alter table t rename to t_old; create table t as select * from t_old; drop table t_old",
  "drop schema b cascade; create schema b authorization b; create type b.color as enum ('red'); " +
  "create type b.pair as (y int4, x int8); create table b.t (id int4, m b.color, p b.pair, n int4)"
]

type Random = () => number

const pick = <A>(random: Random, from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)]!

const parametersOf = (random: Random, [, ...parameters]: Template): ReadonlyArray<Value> =>
  parameters.map((kind) => pick(random, values[kind]))

const call = (random: Random, templates: ReadonlyArray<Template>): Call => {
  const template = pick(random, templates)
  return { text: template[0], parameters: parametersOf(random, template) }
}

const run = (random: Random, templates: ReadonlyArray<Template>): Operation => ({
  _tag: "Run",
  method: pick(random, methods),
  call: call(random, templates)
})

/** Makes a command without parameters, in either protocol. */
const command = (random: Random, text: string): Operation =>
  text.includes(";") || random() < 0.3
    ? { _tag: "Simple", text }
    : { _tag: "Run", method: random() < 0.5 ? "query" : "execute", call: { text, parameters: [] } }

const times = <A>(count: number, make: () => A): ReadonlyArray<A> => Array.from({ length: count }, make)

const both = [...reads, ...writes]

/** The number of explicitly prepared statements. */
const slots = 3

const makers: Readonly<Record<Kind, (random: Random, allowed: ReadonlySet<Kind>, isInside: boolean) => Operation>> = {
  read: (random) => run(random, reads),
  record: (random) => run(random, records),
  write: (random) => run(random, writes),
  prepare: (random) => {
    const slot = Math.floor(random() * slots)
    // Each slot holds a fixed statement, so that values for it are available whenever it is run.
    const template = both[slot * 6 + 4]!
    return random() < 0.3
      ? { _tag: "Prepare", slot, text: template[0] }
      : { _tag: "RunPrepared", slot, parameters: parametersOf(random, template) }
  },
  batch: (random) => ({ _tag: "Batch", calls: times(3, () => call(random, both)) }),
  pipeline: (random) => ({ _tag: "Pipeline", calls: times(3, () => call(random, both)) }),
  copy: (random) => ({
    _tag: "CopyIn",
    text: pick(random, ["copy t (id, n) from stdin", "copy t (id, m) from stdin"]),
    data: pick(random, ["4\t5\n", "4\tred\n"])
  }),
  names: (random) => command(random, pick(random, names)),
  control: (random, _, isInside) => command(random, pick(random, isInside ? savepoints : control)),
  transaction: (random, allowed, isInside) => ({
    _tag: "Transaction",
    operations: isInside ? [run(random, both)] : sequence(random, 6, allowed, true),
    succeeds: random() < 0.7,
    options: isInside ? {} : pick(random, nameOptions)
  }),
  session: (random) => command(random, pick(random, session)),
  path: (random, _, isInside) => command(random, pick(random, isInside ? localPath : path)),
  ddl: (random) => command(random, pick(random, ddl)),
  others: (random) => ({ _tag: "Others", text: pick(random, ddl) })
}

/** Returns a random sequence of operations of these kinds. */
export const sequence = (
  random: Random,
  length: number,
  allowed: ReadonlySet<Kind>,
  isInside = false
): ReadonlyArray<Operation> => {
  const drawn = kinds.filter((kind) => allowed.has(kind)).flatMap((kind) => new Array<Kind>(weights[kind]).fill(kind))
  return times(length, () => makers[pick(random, drawn)](random, allowed, isInside))
}

/** Every reading statement, once. */
export const allReads: ReadonlyArray<Operation> = reads.map(([text, ...parameters]) => ({
  _tag: "Run",
  method: "query",
  call: { text, parameters: parameters.map((kind) => values[kind][0]!) }
}))
