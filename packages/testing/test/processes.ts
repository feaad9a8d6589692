/** Observes processes from outside, for tests of how servers end. */
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"

export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Waits until a condition holds; the test's time limit applies if it never does. */
export const eventually = (condition: () => boolean): Effect.Effect<void> =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("20 millis") }),
    Effect.asVoid
  )

/** Runs a script that prints one line of JSON and waits, kills it without warning, and returns its output. */
export const runAndKill = (script: string): Effect.Effect<Record<string, unknown>> =>
  Effect.promise(async () => {
    const child = spawn(process.execPath, ["--conditions=@hyperfect/source", script], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let printed = ""
    for await (const chunk of child.stdout) {
      printed += String(chunk)
      if (printed.includes("\n")) break
    }
    const exit = once(child, "exit")
    child.kill("SIGKILL")
    await exit
    return JSON.parse(printed) as Record<string, unknown>
  })
