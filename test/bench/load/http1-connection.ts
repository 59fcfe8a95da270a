import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { AnswerReader } from "./answer-reader.js";
import type { Connection } from "./connection.js";

const readBytes = 64 * 1024;

/**
 * One kept-alive HTTP/1.1 connection with one request at a time. node:http costs the load generator about as much as
 * the request costs the server; here a request is one write of ready bytes, and an answer is counted, not parsed.
 */
export class Http1Connection implements Connection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #answer: ((status: number) => void) | undefined;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  async open(): Promise<void> {
    const reader = new AnswerReader((status) => this.#settle(status));
    const socket = createConnection({
      host: this.#host,
      port: this.#port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(readBytes),
        callback: (length, buffer) => {
          reader.read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
          return true;
        },
      },
    });
    socket.on("close", () => {
      this.#socket = undefined;
      this.#settle(0);
    });
    await once(socket, "connect");
    socket.on("error", () => socket.destroy());
    this.#socket = socket;
  }

  async send(request: Buffer): Promise<number> {
    try {
      if (this.#socket === undefined) await this.open();
    } catch {
      return 0;
    }
    return await new Promise((resolve) => {
      this.#answer = resolve;
      this.#socket?.write(request);
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #settle(status: number): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(status);
  }
}
