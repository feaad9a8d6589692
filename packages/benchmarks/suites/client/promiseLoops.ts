/** The loops of this suite for clients with a promise API. */
export const loops = (one: () => Promise<number>) => {
  const sequential = async (count: number): Promise<number> => {
    let sum = 0
    for (let i = 0; i < count; i++) sum += await one()
    return sum
  }
  return {
    sequential,
    inFlight: async (count: number, width: number): Promise<number> => {
      const sums = await Promise.all(Array.from({ length: width }, () => sequential(count / width)))
      return sums.reduce((a, b) => a + b)
    }
  }
}
