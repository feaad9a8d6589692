// Writes the pages and the barrels that are made from code: `npm run generate`.
import { globSync, writeFileSync } from "node:fs"
import * as exchangesPage from "./exchangesPage.ts"
import * as historyPage from "./historyPage.ts"
import * as mechanismsPage from "./mechanismsPage.ts"
import * as messagesPage from "./messagesPage.ts"
import * as settingsPage from "./settingsPage.ts"
import { barrel, layers } from "./structure.ts"

const write = (path: string, text: string): void => writeFileSync(new URL(path, import.meta.url), text)

write("../protocol/MESSAGES.md", messagesPage.render())
write("../docs/exchanges.md", exchangesPage.render())
write("../docs/benchmark-history.md", historyPage.render(historyPage.history()))
write("../docs/mechanisms.md", mechanismsPage.render())
write("../docs/settings.md", settingsPage.render())

const paths = globSync("packages/*/src/**/*.ts", { cwd: new URL("../..", import.meta.url) })
for (const name of Object.keys(layers)) write(`../${name}/src/index.ts`, barrel(paths, name))
