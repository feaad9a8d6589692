/**
 * Runs the shop of `drizzle/shop.ts` on this library. Switching from `pg` is the one line of the pool.
 *
 * Run: DATABASE_URL=postgresql://user:password@host:port/database node --conditions=@hyperfect/source packages/examples/drizzle.ts
 */
import { Pg } from "@hyperfect/pg"
import { report } from "./drizzle/shop.ts"

// Before: const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"] })
const pool = new Pg.Pool({ connectionString: process.env["DATABASE_URL"] })

try {
  for (const line of await report(pool)) console.log(line)
} finally {
  await pool.end()
}
