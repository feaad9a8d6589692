// Bundles a program for a runtime that has no files, from the built packages as bundlers see them.
import { join } from "node:path"
import { rolldown } from "rolldown"

/** Returns the one module of a program. What is named by `paths` stays outside, with the address where the runtime has it. */
export const bundle = async (program: string, paths: Readonly<Record<string, string>>): Promise<string> => {
  const build = await rolldown({
    input: join(import.meta.dirname, program),
    external: Object.keys(paths),
    platform: "neutral",
    resolve: { conditionNames: ["module", "import", "default"] },
    tsconfig: false
  })
  const { output: [{ code }] } = await build.generate({ format: "es", codeSplitting: false, paths })
  await build.close()
  return code
}
