/**
 * Prints the sizes of programs that are bundled with what they use of the packages: minified and gzipped, and the share
 * of the code before minification that is this library's own (M-20). Reads the compiled packages (`npm run build`).
 */
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const programs = {
  "client and NodePlatform": `import { layer as client } from "@hyperfect/client/Client"
import { layer as platform } from "@hyperfect/node/NodePlatform"
export default [client, platform]`,
  "client and NodeTransport": `import { layer as client } from "@hyperfect/client/Client"
import { layer as transport } from "@hyperfect/node/NodeTransport"
export default [client, transport]`,
  "reader of Backend messages": `import { readerUnsafe } from "@hyperfect/protocol/Backend"
export default readerUnsafe`,
  "@effect/sql-pg": `import { layer } from "@effect/sql-pg/PgClient"
export default layer`
}

/** A path in this folder, which the imports of the program are resolved from. */
const entry = join(import.meta.dirname, "program.js")

/** Returns the sizes of a program, without the files that it imports dynamically, in bytes. */
const measure = async (program: string) => {
  const build = await rolldown({
    input: entry,
    platform: "node",
    logLevel: "silent",
    resolve: { conditionNames: ["module", "import", "node", "default"] },
    plugins: [{
      name: "program",
      resolveId: (id) => id === entry ? id : undefined,
      load: (id) => id === entry ? program : undefined
    }]
  })
  const { output } = await build.generate({ format: "es", minify: true })
  await build.close()
  // The first file may share code with one that it imports dynamically: that is in a file which both import.
  const loaded = new Set([output[0].fileName])
  let code = ""
  let own = 0
  let all = 0
  for (const name of loaded) {
    const chunk = output.find(({ fileName }) => fileName === name)
    if (chunk?.type !== "chunk") continue
    for (const imported of chunk.imports) loaded.add(imported)
    code += chunk.code
    for (const [path, { renderedLength }] of Object.entries(chunk.modules)) {
      all += renderedLength
      if (!path.includes("node_modules")) own += renderedLength
    }
  }
  return { minified: code.length, gzipped: gzipSync(code).length, own: own / all }
}

for (const [name, program] of Object.entries(programs)) {
  const { gzipped, minified, own } = await measure(program)
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`
  console.log(
    `${name}: ${kilobytes(minified)} minified, ${kilobytes(gzipped)} gzipped, ${(own * 100).toFixed(0)} % own code`
  )
}
