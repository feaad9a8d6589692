/**
 * The public values that nothing outside the sources of their package uses: no other package, test, example or page.
 *
 * Each of them goes, becomes internal, or is in the table below with the reason why it stays. The rule reads texts only,
 * as those of `structure.ts` do. It leaves out types and classes, which the signatures of other exports name.
 */
import { layers, resolve, type Tree } from "./structure.ts"

/** The names that stay, as `package/Module.name`, and the reason of each. */
export const keptExports: ReadonlyArray<readonly [names: RegExp, reason: string]> = [
  [/^protocol\/(?:backend|frontend|replication)\//, "a message of the protocol"],
  [/^protocol\/Frontend\.codecIn$/, "reads the messages whose meaning depends on the phase of the connection"],
  [/^protocol\/Wire\.(?:SecretCString|secretCStringWhen|Rest|shortLimit)$/, "part of the declaration of a message"],
  [/^values\/types\//, "a type of the servers, or a part of one"],
  [/^values\/\w+\.[A-Z]\w+$/, "the Schema or the order of a type's values"],
  [/^values\/\w+\.is[A-Z]\w+$/, "the guard of a type of values"],
  [/^values\/\w+\.(?:isFinite|negativeInfinity)$/, "tells an infinity from other values"],
  [/^values\/\w+\.(?:make|format|from[A-Z]\w+)$/, "as every value module has"],
  [/^values\/TypeRegistry\.layer$/, "as Preset.layer"],
  [/^auth\/Startup\./, "the start-up half of a server or proxy"],
  [/^client\/Dialect\./, "a dialect to take over or to compare with"],
  [/^client\/Telemetry\./, "a metric that programs read, or a comment that they add"],
  [/^sql\/HyperSql\./, "the SqlClient of a client that exists, or in a scope"],
  [/^testing\/ScriptedServer\./, "a step of a script"]
]

const declaration = /^export (?:abstract )?(const|function|class|interface|type) (\w+)/gm
const reexport = /^export (?:type )?(?:\*|\{([^}]*)\}) from "([^"]+)"$/gm
const importStatement = /^import (?:type )?(?:\* as (\w+)|\{([^}]*)\}) from "([^"]+)"/gm
const comment = /\/\*[\s\S]*?\*\/|\/\/.*/g

/** Returns the items of an import or export list, each by its name in the module and its name here. */
const itemsOf = (list: string): ReadonlyArray<readonly [name: string, local: string]> =>
  Array.from(list.matchAll(/(?:^|,)\s*(?:type )?(\w+)(?: as (\w+))?/g), ([, name, local]) => [name!, local ?? name!])

/** An exported value or type, by the module that declares it. */
interface Declaration {
  readonly path: string
  readonly name: string
  readonly isPublicValue: boolean
}

/** Returns a function that returns the exports of a module, with those of other modules that it exports again. */
const makeExportsOf = (tree: Tree) => {
  const known = new Map<string, ReadonlyMap<string, Declaration>>()
  const exportsOf = (path: string): ReadonlyMap<string, Declaration> => {
    const held = known.get(path)
    if (held !== undefined) return held
    const text = tree.get(path) ?? ""
    const found = new Map<string, Declaration>()
    known.set(path, found)
    for (const [, list, specifier] of text.matchAll(reexport)) {
      const other = exportsOf(resolve(path, specifier!) ?? "")
      for (const [name, local] of list === undefined ? Array.from(other.keys(), (key) => [key, key]) : itemsOf(list)) {
        const declared = other.get(name!)
        if (declared !== undefined) found.set(local!, declared)
      }
    }
    for (const { 1: kind, 2: name, index } of text.matchAll(declaration)) {
      const docstring = /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n$/.exec(text.slice(0, index))?.[0] ?? ""
      const isPublicValue = (kind === "const" || kind === "function") && !docstring.includes("@internal")
      // A type may have the name of its Schema.
      if (isPublicValue || !found.has(name!)) found.set(name!, { path, name: name!, isPublicValue })
    }
    return found
  }
  return exportsOf
}

/** Returns the public values that nothing outside the sources of their package uses, as `package/Module.name`. */
export const unusedExports = (tree: Tree): ReadonlyArray<string> => {
  const exportsOf = makeExportsOf(tree)
  const used = new Set<Declaration | undefined>()
  for (const [path, text] of tree) {
    const own = /^packages\/\w+\/src\//.exec(path)?.[0]
    const code = own === undefined ? text : text.replace(comment, "")
    const useMembers = (module: string, namespace: string) => {
      const members = exportsOf(module)
      for (const [, name] of code.matchAll(new RegExp(`(?<![\\w.])${namespace}\\s*\\.(\\w+)`, "g"))) {
        used.add(members.get(name!))
      }
      for (const [, list] of code.matchAll(new RegExp(`\\{([^{}]*)\\} = ${namespace}$`, "gm"))) {
        for (const [name] of itemsOf(list!)) used.add(members.get(name))
      }
    }
    for (const [, namespace, list, specifier] of code.matchAll(importStatement)) {
      const target = resolve(path, specifier!)
      if (target === undefined || (own !== undefined && target.startsWith(own))) continue
      if (namespace !== undefined) useMembers(target, namespace)
      for (const [name, local] of itemsOf(list ?? "")) {
        const module = new RegExp(`^export \\* as ${name} from "\\./(.+)"$`, "m").exec(tree.get(target) ?? "")?.[1]
        if (module === undefined) used.add(exportsOf(target).get(name))
        else useMembers(target.replace(/index\.ts$/, module), local)
      }
    }
  }
  return Object.keys(layers).flatMap((name) => {
    const source = `packages/${name}/src/`
    const modules = Array.from((tree.get(`${source}index.ts`) ?? "").matchAll(/from "\.\/(.+)"/g), ([, path]) => path!)
    const all = new Map(modules.flatMap((module) =>
      Array.from(exportsOf(source + module).values(), (declared) => {
        // Internal modules are public by the module that exports their members again.
        const inside = declared.path.slice(source.length)
        const at = inside.startsWith("internal/") ? module : inside
        return [declared, `${name}/${at.slice(0, -".ts".length)}.${declared.name}`] as const
      })
    ))
    return Array.from(all).flatMap(([declared, label]) => declared.isPublicValue && !used.has(declared) ? [label] : [])
  })
}

/** Returns every unused public value without a reason, and every reason without such a value. */
export const surfaceViolations = (tree: Tree, kept: typeof keptExports = keptExports): ReadonlyArray<string> => {
  const unused = unusedExports(tree)
  return [
    ...unused.filter((name) => !kept.some(([names]) => names.test(name))).map((name) =>
      `${name}: used by no other package, test, example or page: remove it, or mark it @internal`
    ),
    ...kept.filter(([names]) => !unused.some((name) => names.test(name))).map(([names]) =>
      `packages/tooling/surface.ts: no unused name is like ${names}`
    )
  ]
}
