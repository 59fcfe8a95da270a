/** A way to the server. */
export interface Connection {
  open(): Promise<void>;
  /** Resolves with the HTTP status of the whole answer, or with 0 when there is none. */
  send(request: Buffer): Promise<number>;
  close(): void;
}
