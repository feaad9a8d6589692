import { assert, describe, it } from "@effect/vitest"
import * as ServerProcess from "@hyperfect/hyper/ServerProcess"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect, Exit, Fiber, Scope } from "effect"
import { isAlive } from "../../testing/test/processes.ts"

/** Runs a script of JavaScript in a separate process. */
const run = (script: string, options: Omit<ServerProcess.Options, "arguments"> = {}) =>
  ServerProcess.start(process.execPath, { ...options, arguments: ["-e", script] })

const forever = "setInterval(() => {}, 1000);"

describe("ServerProcess", () => {
  it.live("detects a text in the output, in any pieces and on either stream", () =>
    Effect.gen(function*() {
      const server = yield* run(`
        process.stdout.write("is ");
        process.on("SIGUSR2", () => process.stderr.write("and warns\\n"));
        setTimeout(() => process.stdout.write("ready\\n"), 20);
        ${forever}`)
      yield* server.awaitOutput("is ready")
      // Nothing orders what was written to two streams at once.
      process.kill(server.pid, "SIGUSR2")
      yield* server.awaitOutput("and warns")
      // It also completes afterwards.
      yield* server.awaitOutput("is ready")
      assert.strictEqual(yield* server.output, "is ready\nand warns\n")
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("keeps the last output, and only the end of a long one", () =>
    Effect.gen(function*() {
      const server = yield* run(`
        for (let i = 0; i < 20000; i++) console.log("line " + i);
        process.stdout.write("the end");
        process.exitCode = 7`)
      const { exitCode, output, signal } = yield* server.awaitExit
      assert.deepStrictEqual([exitCode, signal], [7, undefined])
      assert.strictEqual(output.length, 16 * 1024)
      assert.include(output, "line 19999\n")
      assert.include(output, "the end")
      assert.notInclude(output, "line 1000\n")
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("reports the signal that ended the process", () =>
    Effect.gen(function*() {
      const server = yield* run(forever)
      process.kill(server.pid, "SIGABRT")
      const { exitCode, signal } = yield* server.awaitExit
      assert.deepStrictEqual([exitCode, signal], [undefined, "SIGABRT"])
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("asks before it signals, and signals before it kills", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const stubborn = `process.on("SIGTERM", () => console.log("SIGTERM")); console.log("up"); ${forever}`
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(
        run(stubborn, { stopTimeout: "200 millis", stop: () => Effect.sync(() => asked.push("please")) }),
        scope
      )
      yield* server.awaitOutput("up")
      const ended = yield* Effect.forkChild(server.awaitOutput("SIGTERM"), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(asked, ["please"])
      assert.isFalse(isAlive(server.pid))
      yield* Fiber.interrupt(ended)
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("does not signal a process that exits when asked", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(
        run(`process.on("SIGUSR2", () => process.exit(5)); console.log("up"); ${forever}`, {
          stop: (handle) => Effect.sync(() => process.kill(handle.pid, "SIGUSR2"))
        }),
        scope
      )
      yield* server.awaitOutput("up")
      const ended = yield* Effect.forkChild(server.awaitExit, { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      const { exitCode, signal } = yield* Fiber.join(ended)
      assert.deepStrictEqual([exitCode, signal], [5, undefined])
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("fails if the program does not exist", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ServerProcess.start("/nowhere/program", { arguments: [] }))
      assert.strictEqual(error.reason._tag, "NotFound")
    }).pipe(Effect.provide(NodePlatform.layer)))
})
