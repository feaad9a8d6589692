import { assert, describe, it } from "@effect/vitest"
import * as InstalledPackage from "@hyperfect/hyper/InstalledPackage"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect, FileSystem } from "effect"
import { dirname, join } from "node:path"

/** Makes a tree of directories with these files, all of them empty. */
const makeTree = Effect.fnUntraced(function*(...files: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.realPath(yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-test-" }))
  for (const file of files) {
    yield* fs.makeDirectory(dirname(join(root, file)), { recursive: true })
    yield* fs.writeFileString(join(root, file), "")
  }
  return root
})

const search = { packages: ["@scope/first", "second"], files: ["bin/tool", "bin/tool.exe"] }

describe("InstalledPackage", () => {
  it.live("finds the nearest folder that contains the file, whatever the package", () =>
    Effect.gen(function*() {
      const root = yield* makeTree(
        "node_modules/@scope/first/bin/tool",
        "app/node_modules/second/bin/tool.exe",
        "app/node_modules/second/bin/other",
        "app/src/deep/file"
      )
      const near = yield* InstalledPackage.find({ ...search, from: [join(root, "app/src/deep")] })
      assert.strictEqual(near.path, join(root, "app/node_modules/second/bin/tool.exe"))
      const far = yield* InstalledPackage.find({ ...search, from: [root] })
      assert.strictEqual(far.path, join(root, "node_modules/@scope/first/bin/tool"))
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("prefers packages and files by their order inside one folder", () =>
    Effect.gen(function*() {
      const root = yield* makeTree(
        "node_modules/second/bin/tool",
        "node_modules/@scope/first/bin/tool.exe",
        "node_modules/@scope/first/bin/tool"
      )
      const found = yield* InstalledPackage.find({ ...search, from: [undefined, root] })
      assert.strictEqual(found.path, join(root, "node_modules/@scope/first/bin/tool"))
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("lists the searched folders, each once, if the file does not exist", () =>
    Effect.gen(function*() {
      const root = yield* makeTree("app/node_modules/second/bin/other")
      const { path, searched } = yield* InstalledPackage.find({ ...search, from: [join(root, "app"), root] })
      assert.isUndefined(path)
      assert.strictEqual(searched[0], join(process.cwd(), "node_modules"))
      assert.include(searched, join(root, "app/node_modules"))
      assert.include(searched, "/node_modules")
      assert.strictEqual(new Set(searched).size, searched.length)
    }).pipe(Effect.provide(NodePlatform.layer)))

  it("selects the package for this machine", () => {
    const here = `${process.platform}-${process.arch}`
    assert.deepStrictEqual(InstalledPackage.forHost({ "plan9-mips": "a", [here]: "b" }), ["b"])
    assert.deepStrictEqual(InstalledPackage.forHost({ "plan9-mips": "a" }), [])
  })
})
