// A suite for the test of the runner, with trivial work.
import type { Entry, Kind, Workload } from "../Workload.ts"

const entry = (name: string, kind: Kind, digest: string | undefined): Entry => ({
  name,
  kind,
  setup: () => Promise.resolve({ run: () => Promise.resolve(), check: () => Promise.resolve(digest) })
})

const failing = (name: string, run: () => unknown): Entry => ({
  name,
  kind: "peer",
  setup: () => Promise.resolve({ run, check: () => Promise.resolve("same") })
})

export const workloads: ReadonlyArray<Workload> = [
  {
    id: "sound",
    title: "everybody agrees",
    entries: [entry("us", "ours", "same"), entry("them", "peer", "same"), entry("copy", "limit", undefined)]
  },
  { id: "unequal", title: "one sees something else", entries: [entry("us", "ours", "a"), entry("them", "peer", "b")] },
  {
    id: "silent",
    title: "a peer shows nothing",
    entries: [entry("us", "ours", "a"), entry("them", "peer", undefined)]
  },
  {
    id: "throwing",
    title: "a round fails",
    entries: [
      entry("us", "ours", "same"),
      failing("them", () => {
        throw new Error("on purpose")
      })
    ]
  },
  {
    id: "unready",
    title: "an entry cannot be set up",
    entries: [{ ...entry("them", "peer", "same"), setup: () => Promise.reject(new Error("no server")) }]
  },
  {
    id: "leaving",
    title: "a process goes away",
    entries: [failing("them", () => process.exit(7))]
  }
]
