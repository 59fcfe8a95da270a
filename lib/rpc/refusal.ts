import { Code, type ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { type Fault, MeshError } from "../errors.js";

/** What Connect makes of bytes that it cannot read, in the domain's words: the caller's mistake, unless it left. */
export function toRefusal({
  code,
  rawMessage,
}: Pick<ConnectError, "code" | "rawMessage">): MeshError {
  return new MeshError(faultOfCode[code] ?? "malformed", rawMessage);
}

const faultOfCode: Readonly<Partial<Record<Code, Fault>>> = {
  [Code.ResourceExhausted]: "too_large",
  [Code.Unimplemented]: "unsupported",
  [Code.DeadlineExceeded]: "deadline",
  [Code.Canceled]: "cancelled",
  [Code.Aborted]: "cancelled",
};

const faultOfStatus: Readonly<Record<number, Fault>> = {
  405: "wrong_method",
  415: "unsupported_media_type",
};

/** An error of any protocol is much shorter. */
const answerBytesMax = 4_096;

/** Passes on an answer that no method gave, and tells what it says once it has been sent. */
export function readRefusal(
  answer: UniversalServerResponse,
  onRead: (refusal: MeshError) => void,
): UniversalServerResponse {
  const { status, body } = answer;
  const fault = faultOfStatus[status];
  if (fault !== undefined || body === undefined) {
    onRead(new MeshError(fault ?? "malformed", `HTTP status ${status}`));
    return answer;
  }
  return { ...answer, body: watch(body, (text) => onRead(toRefusal(errorIn(text, answer)))) };
}

async function* watch(
  body: AsyncIterable<Uint8Array>,
  onEnd: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  let text = "";
  try {
    for await (const chunk of body) {
      if (text.length < answerBytesMax) text += Buffer.from(chunk).toString("latin1");
      yield chunk;
    }
  } finally {
    onEnd(text);
  }
}

/** The code stands in trailers (gRPC), in a last frame of trailers (gRPC-Web), or in JSON (Connect). */
function errorIn(
  text: string,
  { header, trailer }: UniversalServerResponse,
): Pick<ConnectError, "code" | "rawMessage"> {
  const status =
    trailer?.get("grpc-status") ??
    header?.get("grpc-status") ??
    /grpc-status: ?(\d+)/i.exec(text)?.[1];
  const name = /"code":"(\w+)"/.exec(text)?.[1];
  const code = status === undefined ? codeFromString(name ?? "") : Number(status);
  return { code: code ?? Code.InvalidArgument, rawMessage: "refused before the method ran" };
}
