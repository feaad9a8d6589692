/** The loops of this suite for clients with a promise API. */
import { type Driver, type Parameters, parametersOf, type Query, type Row } from "./Driver.ts"

export const loops = (
  rowsOf: (text: string, parameters: Parameters) => Promise<ReadonlyArray<Row>>
): Pick<Driver, "sequential" | "inFlight"> => {
  const sequential = async (query: Query, count: number): Promise<number> => {
    const { numberOf, text } = query
    let sum = 0
    for (let i = 0; i < count; i++) sum += numberOf(await rowsOf(text, parametersOf(query, i)))
    return sum
  }
  return {
    sequential,
    inFlight: async (query, count, width) => {
      const sums = await Promise.all(Array.from({ length: width }, () => sequential(query, count / width)))
      return sums.reduce((a, b) => a + b)
    }
  }
}
