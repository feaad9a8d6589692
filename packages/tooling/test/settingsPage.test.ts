import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { render } from "../settingsPage.ts"

describe("settingsPage", () => {
  it("matches the table (to update it, run npm run generate)", () => {
    assert.strictEqual(readFileSync(new URL("../../docs/settings.md", import.meta.url), "utf8"), render())
  })

  it("names the field of a setting and the reason against an unsupported one", () => {
    assert.match(render(), /\| `sslmode` +\| `PGSSLMODE` +\| +\| `sslMode` +\|\n/)
    assert.match(render(), /\| `requirepeer` +\| `PGREQUIREPEER` +\| +\| is not supported: /)
  })
})
