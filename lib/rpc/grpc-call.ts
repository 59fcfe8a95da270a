import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import {
  type ClientDuplexStream,
  type ClientUnaryCall,
  type Client as GrpcClient,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { propagation } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";
import type { Span } from "../tracing/span.js";
import { type CallContext, fullName } from "./call.js";
import { whenAborted } from "./call-signal.js";
import { noteAttempts, toBuffer, traceKeptKey } from "./grpc-server.js";
import { fromStatus } from "./status.js";

/** A call to a method of a peer. */
export interface GrpcCall {
  readonly client: GrpcClient;
  readonly method: DescMethod;
  readonly clock: Clock;
  readonly context: CallContext;
  /** Its own, as a client. */
  readonly span: Span;
}

/** Sends one message, encoded, and resolves with the answer. Rejects with a MeshError, or the signal's reason when aborted. */
export function callUnary(call: GrpcCall, request: Uint8Array): Promise<Message> {
  const { signal } = call.context;
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const running = call.client.makeUnaryRequest(
      pathOf(call),
      toBuffer,
      (bytes: Buffer) => fromBinary(call.method.output, bytes),
      request,
      metadataOf(call),
      { deadline: deadlineOf(call) },
      (error: ServiceError | null, response?: Message) => {
        forget();
        if (error !== null) reject(signal.aborted ? signal.reason : toFault(error));
        else if (response !== undefined) resolve(response);
        else reject(new MeshError("internal", `${pathOf(call)} answered without a message`));
      },
    );
    noteMetadata(running, call.span);
    const forget = whenAborted(signal, () => running.cancel());
  });
}

/**
 * Sends encoded messages as they come and yields the answers. Throws as `callUnary` rejects; a reader who leaves cancels
 * the call, and so do requests that fail.
 */
export async function* callBidi(
  call: GrpcCall,
  requests: AsyncIterable<Uint8Array>,
): AsyncGenerator<Message> {
  const { signal } = call.context;
  signal.throwIfAborted();
  const running: ClientDuplexStream<Uint8Array, Message> = call.client.makeBidiStreamRequest(
    pathOf(call),
    toBuffer,
    (bytes: Buffer) => fromBinary(call.method.output, bytes),
    metadataOf(call),
    { deadline: deadlineOf(call) },
  );
  noteMetadata(running, call.span);
  const cancel = (): void => running.cancel();
  const forget = whenAborted(signal, cancel);
  // Its failure is told by what the call ends with.
  running.on("error", () => {});
  void sendEach(running, requests);
  try {
    for await (const response of running) yield response as Message;
  } catch (thrown) {
    // Besides what the call ends with, the library throws nothing.
    throw signal.aborted ? signal.reason : toFault(thrown as ServiceError);
  } finally {
    forget();
    cancel();
  }
}

/** Never rejects. Node's `pipeline` does as much, but makes an AbortController and an error for each call. */
async function sendEach(
  running: ClientDuplexStream<Uint8Array, Message>,
  requests: AsyncIterable<Uint8Array>,
): Promise<void> {
  try {
    for await (const request of requests) {
      if (running.destroyed) return;
      if (!running.write(request)) await drained(running);
    }
    running.end();
  } catch {
    running.cancel();
  }
}

/** Resolves when there is room again, or nobody who would read. */
function drained(running: ClientDuplexStream<Uint8Array, Message>): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      running.off("drain", go);
      running.off("close", go);
      resolve();
    };
    running.on("drain", go);
    running.on("close", go);
  });
}

function pathOf({ method }: GrpcCall): string {
  return `/${fullName(method)}`;
}

/** What is left of the deadline here is all that the next hop gets. */
function deadlineOf({ clock, context }: GrpcCall): number {
  return clock.dateMs() + (context.deadlineAtMs - clock.nowMs());
}

function noteMetadata(
  running: ClientUnaryCall | ClientDuplexStream<Uint8Array, Message>,
  span: Span,
): void {
  running.on("metadata", (metadata: Metadata) => noteAttempts(metadata, span));
  running.on("status", ({ metadata }: { readonly metadata: Metadata }) => {
    noteAttempts(metadata, span);
    if (metadata.get(traceKeptKey).length > 0) span.keep();
  });
}

function metadataOf({ context, span }: GrpcCall): Metadata {
  const metadata = new Metadata();
  metadata.set("x-request-id", context.requestId);
  const traceContext = span.toContext();
  if (traceContext !== undefined) {
    propagation.inject(traceContext, metadata, {
      set: (carrier, key, value) => carrier.set(key, value),
    });
  }
  return metadata;
}

/** What the peer answered, or what the gRPC library says when no peer did. */
function toFault(error: ServiceError): MeshError {
  const statusBytes = error.metadata?.get("grpc-status-details-bin")[0];
  const fault = fromStatus({
    code: error.code,
    message: error.details,
    statusBytes: statusBytes instanceof Uint8Array ? statusBytes : undefined,
  });
  if (fault.fault !== "unavailable" || fault.details.retryAfterMs !== undefined) return fault;
  // The library names addresses here, which are nobody's business outside.
  return new MeshError("unavailable", "a service of the mesh cannot be reached", {
    cause: error,
    retryAfterMs: 1_000,
  });
}
