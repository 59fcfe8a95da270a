import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import type { Connection } from "./connection.js";

const headers = {
  ":method": "POST",
  ":path": "/arrowmesh.gateway.v1.GatewayService/Embed",
  "content-type": "application/grpc",
  te: "trailers",
};
/** gRPC codes as the statuses that summaries know: OK and RESOURCE_EXHAUSTED. */
const statusOf: Readonly<Record<string, number>> = { "0": 200, "8": 429 };

/** One HTTP/2 connection with any number of calls at a time, as gRPC clients use it; messages are ready bytes. */
export class GrpcConnection implements Connection {
  readonly #url: string;
  #session: ClientHttp2Session | undefined;

  constructor(url: string) {
    this.#url = new URL(url).origin;
  }

  async open(): Promise<void> {
    if (this.#session !== undefined) return;
    this.#session = connect(this.#url);
    await once(this.#session, "connect");
  }

  send(request: Buffer): Promise<number> {
    return new Promise((resolve) => {
      const stream = this.#session?.request(headers);
      let status = 0;
      const read = (fields: Readonly<Record<string, unknown>>): void => {
        const code = fields["grpc-status"];
        if (code !== undefined) status = statusOf[String(code)] ?? 500;
      };
      stream?.on("response", read).on("trailers", read);
      // Its "close" follows, which is what ends the call.
      stream?.on("error", () => undefined);
      stream?.once("close", () => resolve(status));
      stream?.resume().end(request);
    });
  }

  close(): void {
    this.#session?.destroy();
  }
}
