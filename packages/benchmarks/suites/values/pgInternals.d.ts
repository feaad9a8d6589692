/** The declarations that `@types/pg` lacks. */
declare module "pg/lib/result.js" {
  export default class Result {
    readonly rows: Array<Record<string, unknown>>
    addFields(
      fields: ReadonlyArray<{ readonly name: string; readonly dataTypeID: number; readonly format: string }>
    ): void
    parseRow(fields: ReadonlyArray<string | null>): Record<string, unknown>
    addRow(row: Record<string, unknown>): void
  }
}

declare module "pg/lib/utils.js" {
  const utils: { readonly prepareValue: (value: unknown) => unknown }
  export default utils
}
