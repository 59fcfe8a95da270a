/** Reads the answers of one HTTP/1.1 connection: the status and the length of each, never the body. */
export class AnswerReader {
  readonly #onAnswer: (status: number) => void;
  #head = "";
  #status = 0;
  /** Bytes of the body that are still to come; undefined within a head. */
  #missing: number | undefined;

  constructor(onAnswer: (status: number) => void) {
    this.#onAnswer = onAnswer;
  }

  /** The next bytes of the connection. Throws at what it does not know: chunked bodies, bytes nobody asked for. */
  read(bytes: Buffer): void {
    let bodyBytes = bytes.length;
    if (this.#missing === undefined) {
      this.#head += bytes.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return;
      bodyBytes = this.#head.length - end - 4;
      this.#missing = this.#begin(this.#head.slice(0, end));
    }
    this.#missing -= bodyBytes;
    if (this.#missing < 0) throw new Error("more bytes than the answer has");
    if (this.#missing > 0) return;
    this.#missing = undefined;
    this.#head = "";
    this.#onAnswer(this.#status);
  }

  #begin(head: string): number {
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error("an answer without Content-Length");
    this.#status = Number(head.slice(9, 12));
    return Number(length);
  }
}
