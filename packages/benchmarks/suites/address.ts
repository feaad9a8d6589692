/** Passes the address of a suite's servers to the processes of its entries. */
export const makeAddress = <A>(variable: string) => ({
  set: (address: A): void => {
    process.env[variable] = JSON.stringify(address)
  },
  get: (): A => {
    const text = process.env[variable]
    if (text === undefined) throw new Error(`${variable} does not say where the servers are`)
    return JSON.parse(text) as A
  }
})
