import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { render } from "../messagesPage.ts"

describe("messagesPage", () => {
  it("matches the declarations (to update it, run npm run generate)", () => {
    assert.strictEqual(readFileSync(new URL("../../protocol/MESSAGES.md", import.meta.url), "utf8"), render())
  })

  it("shows nested fields by their paths, and the limits of a message", () => {
    const page = render()
    assert.match(page, /^\| `fields\[\]\.typeOid` +\| UInt32 +\|$/m)
    assert.include(page, "### CancelRequest\n\nSent by the frontend, no tag, code 80877102, at most 268 bytes.")
    assert.include(page, "### Sync\n\nSent by the frontend, tag `S`, at most 30,000 bytes.\n\nNo fields.")
  })
})
