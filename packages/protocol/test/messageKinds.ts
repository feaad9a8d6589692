/** Every message of both directions, with its reader and an Arbitrary of its values. */
import { Backend, Frontend, Replication, type Wire } from "@hyperfect/protocol"
import { Arbitrary } from "effect"

export interface Kind {
  readonly name: string
  readonly family: "backend" | "frontend" | "replication"
  readonly message: Wire.AnyMessage
  readonly read: (codegen: Wire.Codegen) => Wire.ReadFrame<unknown>
  readonly arbitrary: Arbitrary.Arbitrary<unknown>
}

/** Returns the phase in which a frontend message is read. */
export const phaseOf = (name: string): Frontend.Phase => {
  switch (name) {
    case "StartupMessage":
    case "SSLRequest":
    case "GSSENCRequest":
    case "CancelRequest":
      return "startup"
    case "SASLInitialResponse":
      return "sasl-initial"
    case "SASLResponse":
      return "sasl"
    case "GSSResponse":
      return "gss"
    default:
      return "password"
  }
}

const kind = (
  family: Kind["family"],
  message: Wire.AnyMessage,
  read: (codegen: Wire.Codegen) => Wire.ReadFrame<unknown>
): Kind => ({
  name: `${family} ${message.definition.name}`,
  family,
  message,
  read,
  arbitrary: Arbitrary.schema(message)
})

export const kinds: ReadonlyArray<Kind> = [
  ...Backend.messages.map((message) =>
    kind("backend", message, (codegen) => Backend.readerUnsafe({ codegen: codegen }))
  ),
  ...Frontend.messages.map((message) =>
    kind(
      "frontend",
      message,
      (codegen) => Frontend.readerUnsafe(phaseOf(message.definition.name), { codegen: codegen })
    )
  ),
  ...Replication.messages.map((message) => kind("replication", message, Replication.readerUnsafe))
]
