// Writes packages/protocol/MESSAGES.md from the declarations of the messages.
// Run: npm exec -- node --conditions=@hyperfect/source packages/tooling/generate-messages.ts
import { writeFileSync } from "node:fs"
import { render } from "./messagesPage.ts"

writeFileSync(new URL("../protocol/MESSAGES.md", import.meta.url), render())
