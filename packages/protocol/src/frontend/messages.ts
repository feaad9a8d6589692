/**
 * The messages that a client sends, one line per message. Codecs, limits, tags and types are derived from this list.
 *
 * @since 0.1.0
 */
export { CopyData } from "../backend/CopyData.ts"
export { CopyDone } from "../backend/CopyDone.ts"
export { Bind } from "./Bind.ts"
export { CancelRequest } from "./CancelRequest.ts"
export { Close } from "./Close.ts"
export { CopyFail } from "./CopyFail.ts"
export { Describe } from "./Describe.ts"
export { Execute } from "./Execute.ts"
export { Flush } from "./Flush.ts"
export { FunctionCall } from "./FunctionCall.ts"
export { GSSENCRequest } from "./GSSENCRequest.ts"
export { GSSResponse } from "./GSSResponse.ts"
export { Parse } from "./Parse.ts"
export { PasswordMessage } from "./PasswordMessage.ts"
export { Query } from "./Query.ts"
export { SASLInitialResponse } from "./SASLInitialResponse.ts"
export { SASLResponse } from "./SASLResponse.ts"
export { SSLRequest } from "./SSLRequest.ts"
export { StartupMessage } from "./StartupMessage.ts"
export { Sync } from "./Sync.ts"
export { Terminate } from "./Terminate.ts"
