// Runs reachPage.ts in Chromium. Serves the page and PGlite's files, and forwards its WebSockets to the servers.
import { NodePlatform } from "@hyperfect/node"
import { Endpoint } from "@hyperfect/transport"
import { Effect } from "effect"
import { createReadStream, existsSync, mkdtempSync, renameSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { extname, join } from "node:path"
import * as WebSocketProxy from "../examples/proxy/webSocketProxy.ts"
import type { Servers } from "./reach.ts"
import { bundle } from "./reachBundle.ts"

const root = join(import.meta.dirname, "../..")
const packages = join(root, "reach/node_modules")
const pglite = join(root, "node_modules/@electric-sql/pglite/dist")
const servers: Servers = JSON.parse(process.env["REACH"]!)

/** The parts of Playwright that are used. Its types are not installed with the workspaces. */
interface Browser {
  version(): string
  newPage(): Promise<{
    on(event: "pageerror" | "crash", listener: (error: Error) => void): void
    exposeFunction(name: string, run: (line: string) => void): Promise<unknown>
    goto(address: string): Promise<unknown>
    evaluate(code: string): Promise<unknown>
  }>
  close(): Promise<void>
}

/** Unpacks Chromium and its libraries, unless they are, and returns their folder. */
const unpack = async (): Promise<string> => {
  const folder = join(packages, ".chromium")
  if (existsSync(folder)) return folder
  const { inflate } = await import(join(packages, "@sparticuz/chromium/build/index.js"))
  const temporary = process.env["TMPDIR"]
  const partial = mkdtempSync(`${folder}-`)
  // The package unpacks into the folder for temporary files.
  process.env["TMPDIR"] = partial
  for (const name of ["chromium.br", "al2023.tar.br"]) await inflate(join(packages, "@sparticuz/chromium/bin", name))
  if (temporary === undefined) delete process.env["TMPDIR"]
  else process.env["TMPDIR"] = temporary
  renameSync(partial, folder)
  return folder
}

const html = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`

const paths = {
  "@electric-sql/pglite": "/pglite/index.js",
  "@electric-sql/pglite/worker": "/pglite/worker/index.js"
}

const types: Readonly<Record<string, string>> = {
  "/": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm"
}

/** Serves the page, its Worker and the files of PGlite until the scope closes, and returns the origin. */
const serve = (page: string, worker: string) => {
  const texts: Readonly<Record<string, string>> = { "/": html, "/page.js": page, "/worker.js": worker }
  return Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer(({ url = "/" }, response) => {
        const text = texts[url]
        const file = join(pglite, url.replace("/pglite/", ""))
        response.setHeader("content-type", types[extname(url) || url] ?? "application/octet-stream")
        if (text !== undefined) response.end(text)
        else if (existsSync(file)) createReadStream(file).pipe(response)
        else response.writeHead(404).end()
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
}

const program = Effect.gen(function*() {
  const endpoints = [servers.postgres, servers.hyper].map(({ host, port }) => Endpoint.tcp(host, port))
  const port = yield* WebSocketProxy.start({
    host: "127.0.0.1",
    port: 0,
    server: (path) => endpoints.find((endpoint) => path === `/${Endpoint.format(endpoint)}`)
  })
  const page = yield* Effect.promise(() => bundle("reachPage.ts", paths))
  const origin = yield* serve(page, yield* Effect.promise(() => bundle("reachPageWorker.ts", paths)))
  const folder = yield* Effect.promise(unpack)
  const { chromium } = yield* Effect.promise(() => import(join(packages, "playwright-core/index.mjs")))
  const browser = yield* Effect.acquireRelease(
    Effect.promise((): Promise<Browser> =>
      chromium.launch({
        executablePath: join(folder, "chromium"),
        env: { ...process.env, LD_LIBRARY_PATH: join(folder, "al2023/lib") }
      })
    ),
    (opened) => Effect.promise(() => opened.close())
  )
  console.log(JSON.stringify({ version: browser.version() }))
  yield* Effect.promise(async () => {
    const tab = await browser.newPage()
    tab.on("pageerror", (error: Error) => console.log(error.stack))
    tab.on("crash", () => console.log("the page has crashed"))
    await tab.exposeFunction("report", console.log)
    await tab.goto(origin)
    await tab.evaluate(`reach(${JSON.stringify(servers)}, "ws://127.0.0.1:${port}", report)`)
  })
})

await Effect.runPromise(Effect.provide(Effect.scoped(program), NodePlatform.layer))
process.exit(0)
