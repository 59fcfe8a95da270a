import { constants } from "node:http2";
import type { Clock } from "./clock.js";
import type { NodeRequest, NodeResponse } from "./exchange.js";

/** How long a caller may go on sending what nobody will read. */
export const unreadMsMax = 5_000;

/** Takes in the rest of a body, unread, so that a caller who first sends and then listens gets to listen. */
export async function untilReceived(request: NodeRequest, clock: Clock): Promise<void> {
  request.resume();
  if (request.readableEnded || request.destroyed) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.at(clock.nowMs() + unreadMsMax, resolve);
    for (const event of ["end", "close", "error"]) {
      request.once(event, () => {
        cancel();
        resolve();
      });
    }
  });
}

/**
 * Takes in what is still being sent when the answer is complete. HTTP/1.1 has a time for a whole request; a stream of
 * HTTP/2 has none, so it is closed after a while (RFC 9113, 8.1).
 */
export function dropUnread(request: NodeRequest, response: NodeResponse, clock: Clock): void {
  if (!("stream" in request)) {
    response.once("finish", () => request.resume());
    return;
  }
  const { stream } = request;
  // The response itself says that it has finished when the whole stream has closed.
  stream.once("finish", () => {
    if (request.readableEnded || stream.destroyed) return;
    request.resume();
    const end = (): void => stream.close(constants.NGHTTP2_NO_ERROR);
    stream.once("close", clock.at(clock.nowMs() + unreadMsMax, end));
  });
}
