import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { render } from "../mechanismsPage.ts"

describe("mechanismsPage", () => {
  it("matches the table (to update it, run npm run generate)", () => {
    assert.strictEqual(readFileSync(new URL("../../docs/mechanisms.md", import.meta.url), "utf8"), render())
  })

  it("shows the code of the request, and the names in SASL", () => {
    assert.match(
      render(),
      /^\| scram-sha-256 +\| .*AuthenticationSASL \(10\) +\| SCRAM-SHA-256-PLUS, SCRAM-SHA-256 \|/m
    )
  })
})
