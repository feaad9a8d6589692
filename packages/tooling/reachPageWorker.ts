// Runs the PGlite of reachPage.ts that is in a Web Worker.
import { PGlite } from "@electric-sql/pglite"
import { worker } from "@electric-sql/pglite/worker"
import { Pglite } from "@hyperfect/pglite"

await worker({ init: () => PGlite.create().then(Pglite.guard) })
