/** Every message of both directions, how it is read, and how random ones are made. */
import { Backend, Frontend, Replication, type Wire } from "@hyperfect/protocol"
import { Arbitrary } from "effect"

export interface Kind {
  readonly name: string
  readonly family: "backend" | "frontend" | "replication"
  readonly message: Wire.AnyMessage
  readonly read: (backEnd: Wire.BackEnd) => Wire.ReadFrame<unknown>
  readonly arbitrary: Arbitrary.Arbitrary<unknown>
}

/** The phase in which a message of the frontend is read. */
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
  read: (backEnd: Wire.BackEnd) => Wire.ReadFrame<unknown>
): Kind => ({
  name: `${family} ${message.definition.name}`,
  family,
  message,
  read,
  arbitrary: Arbitrary.schema(message)
})

export const kinds: ReadonlyArray<Kind> = [
  ...Backend.messages.map((message) => kind("backend", message, (backEnd) => Backend.readerUnsafe({ backEnd }))),
  ...Frontend.messages.map((message) =>
    kind("frontend", message, (backEnd) => Frontend.readerUnsafe(phaseOf(message.definition.name), { backEnd }))
  ),
  ...Replication.messages.map((message) => kind("replication", message, Replication.readerUnsafe))
]
