import { assert, describe, it } from "@effect/vitest"
import * as HyperEndpoint from "@hyperfect/hyper/HyperEndpoint"
import * as Endpoint from "@hyperfect/transport/Endpoint"

describe("HyperEndpoint", () => {
  it("writes and reads endpoints the way Hyper does", () => {
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

  it("does not read what nothing here can connect to", () => {
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
      "tab.pipe://./pipe/x",
      "tab.domain:///tmp/socket",
      "tab.domain:///tmp/domain/"
    ]
    for (const text of others) assert.isUndefined(HyperEndpoint.parse(text), text)
  })
})
