import { assert, describe, it } from "@effect/vitest"
import * as HyperEndpoint from "@hyperfect/hyper/HyperEndpoint"
import * as Endpoint from "@hyperfect/transport/Endpoint"

describe("HyperEndpoint", () => {
  it("formats and parses endpoints in Hyper's notation", () => {
    const pairs: ReadonlyArray<readonly [string, Endpoint.Endpoint]> = [
      ["tab.tcp://127.0.0.1:17425", Endpoint.tcp("127.0.0.1", 17425)],
      ["tab.tcp://localhost:1", Endpoint.tcp("localhost", 1)],
      ["tab.tcp://[::1]:65535", Endpoint.tcp("::1", 65535)],
      ["tab.domain:///tmp/a/domain/.s.PGSQL.7483", Endpoint.unix("/tmp/a/.s.PGSQL.7483")],
      ["tab.domain:///domain/domain/domain", Endpoint.unix("/domain/domain")],
      ["tab.domain:///domain/socket", Endpoint.unix("/socket")]
    ]
    for (const [text, endpoint] of pairs) {
      assert.strictEqual(HyperEndpoint.format(endpoint), text)
      assert.deepStrictEqual(HyperEndpoint.parse(text), endpoint)
    }
  })

  it("formats and parses named pipes of Windows as the paths by which Node connects to them", () => {
    const pairs = [
      ["tab.pipe://./pipe/hyper-4711", "\\\\.\\pipe\\hyper-4711"],
      ["tab.pipe://server/pipe/a b", "\\\\server\\pipe\\a b"]
    ] as const
    for (const [text, path] of pairs) {
      assert.strictEqual(HyperEndpoint.format(Endpoint.unix(path)), text)
      assert.deepStrictEqual(HyperEndpoint.parse(text), Endpoint.unix(path))
    }
    // Node takes both names of the folder of pipes, in any case.
    for (const path of ["\\\\?\\pipe\\a", "\\\\.\\PIPE\\a"]) {
      assert.strictEqual(HyperEndpoint.format(Endpoint.unix(path)), "tab.pipe://./pipe/a")
    }
  })

  it("does not parse unsupported endpoints", () => {
    const others = [
      "",
      "127.0.0.1:5432",
      "tcp.grpc://127.0.0.1:5432",
      "tab.tcp://127.0.0.1",
      "tab.tcp://127.0.0.1:0",
      "tab.tcp://127.0.0.1:65536",
      "tab.tcp://127.0.0.1:auto",
      "tab.tcp://::1:5432",
      "tab.tcp://[]:5432",
      "tab.tcp://:5432",
      "tab.pipe://./x",
      "tab.pipe:///pipe/x",
      "tab.pipe://./pipe/",
      "tab.pipe://./pipe/a/b",
      "tab.pipe://.\\pipe\\x",
      "tab.domain:///tmp/socket",
      "tab.domain:///tmp/domain/"
    ]
    for (const text of others) assert.isUndefined(HyperEndpoint.parse(text), text)
  })

  it("is a socket file, or on Windows a named pipe, for a server that only this machine reaches", () => {
    const directory = "hyperfect-hyperd-1a2b"
    const format = (folder: string, platform: string) => HyperEndpoint.format(HyperEndpoint.local(folder, platform))
    assert.strictEqual(format(`/tmp/${directory}`, "linux"), `tab.domain:///tmp/${directory}/domain/.s.PGSQL.7483`)
    assert.strictEqual(format(`C:\\Users\\me\\Temp\\${directory}`, "win32"), `tab.pipe://./pipe/${directory}`)
  })
})
