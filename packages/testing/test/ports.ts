/** Ports for servers that cannot choose one themselves. */
import { Effect } from "effect"
import { createServer } from "node:net"

let lastPort = 12_000 + Math.floor(Math.random() * 6000)

/**
 * A port that is below those that the system gives to clients, and those of the PostgreSQL servers of the tests: nothing
 * else takes it before the server does.
 */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  const port = ++lastPort
  return Effect.callback<number>((resume) => {
    const server = createServer()
    server.once("error", () => resume(freePort))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(port))))
  })
})
