// Shows each module under the name by which it is imported.
import { Converter } from "typedoc"

export const load = (app) => {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    const match = /^(\w+)\/src(\/.*)?$/.exec(reflection.name)
    if (match) reflection.name = `@hyperfect/${match[1]}${match[2] ?? ""}`
  })
}
