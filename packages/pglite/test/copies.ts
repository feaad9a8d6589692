/** PGlites that begin as copies of one that is new, since making a new one takes seconds. */
import { PGlite } from "@electric-sql/pglite"

let made: Promise<File | Blob> | undefined

const makeData = async (): Promise<File | Blob> => {
  const db = await PGlite.create()
  const data = await db.dumpDataDir("none")
  await db.close()
  return data
}

/** Makes a PGlite without tables. */
export const makeDatabase = async (): Promise<PGlite> => PGlite.create({ loadDataDir: await (made ??= makeData()) })
