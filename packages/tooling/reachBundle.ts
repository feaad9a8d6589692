// Bundles a program for a runtime that has no files, from the built packages as bundlers see them.
import { join } from "node:path"
import { rolldown } from "rolldown"

/** Returns the one module of a program. */
export const bundle = async (program: string, external: ReadonlyArray<string>): Promise<string> => {
  const build = await rolldown({
    input: join(import.meta.dirname, program),
    external: [...external],
    platform: "neutral",
    resolve: { conditionNames: ["module", "import", "default"] },
    tsconfig: false
  })
  const { output: [{ code }] } = await build.generate({ format: "es", codeSplitting: false })
  await build.close()
  return code
}
