import { type EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import {
  create,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { type TextMapGetter, TraceFlags } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import { answerOf, MeshError, toMeshError } from "../errors.js";
import type { CallInfo, Interceptor } from "../interceptors/interceptor.js";
import { mapEach } from "../map-each.js";
import { nextTurn } from "../next-turn.js";
import type { Acceptor } from "../one-port.js";
import type { Span } from "../tracing/span.js";
import { type AnyHandler, type Binding, fullName, isStream } from "./call.js";
import { dispatchStream, dispatchUnary, untilAborted } from "./dispatch.js";
import type { Entry, OpenEntry } from "./entry.js";
import { toStatusBytes } from "./status.js";

export interface GrpcServerOptions {
  readonly role: string;
  readonly bindings: readonly {
    readonly binding: Binding;
    readonly interceptors: readonly Interceptor[];
  }[];
  readonly openEntry: OpenEntry;
  readonly clock: Clock;
  readonly messageBytesMax: number;
  /** Connections end after about so long, so that callers find new replicas. */
  readonly connectionAgeMsMax: number;
}

/** A grpc-js server over generated services. It takes sockets that someone else has accepted. */
export function createGrpcServer(options: GrpcServerOptions): Acceptor & {
  /** Tells callers to go elsewhere (GOAWAY); calls that run get `waitMs` to finish. */
  goAway(waitMs: number): void;
  /** Lets running calls finish for `waitMs`, then cuts them. */
  close(waitMs: number): Promise<void>;
} {
  const server = new Server({
    "grpc.max_receive_message_length": options.messageBytesMax,
    "grpc.max_send_message_length": options.messageBytesMax,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.max_connection_age_ms": options.connectionAgeMsMax,
    "grpc.max_connection_age_grace_ms": 30_000,
    // Nobody reads it, and it costs each call.
    "grpc.enable_channelz": 0,
  });
  for (const { binding, interceptors } of options.bindings) {
    const definition: Record<string, MethodDefinition<Uint8Array, Uint8Array>> = {};
    const implementation: Record<string, UntypedHandleCall> = {};
    for (const method of binding.service.methods) {
      const handler = binding.handlers[method.localName];
      if (handler === undefined) throw new Error(`${fullName(method)} has no handler`);
      definition[method.name] = definitionOf(method);
      implementation[method.name] = serveMethod(method, handler, { ...options, interceptors });
    }
    server.addService(definition, implementation);
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  let isClosing = false;
  return {
    accept(socket) {
      if (isClosing) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      injector.injectConnection(socket);
    },
    goAway: (waitMs) => injector.drain(waitMs),
    close: (waitMs) =>
      new Promise((resolve) => {
        isClosing = true;
        // Each connection ends with its last call. The library says so too soon on Node 24 and later, whose servers close
        // their sessions themselves, and its `forceShutdown` knows no connections while channelz is off.
        server.tryShutdown(() => {});
        const cancel = options.clock.at(options.clock.nowMs() + waitMs, () => {
          for (const socket of sockets) socket.destroy();
          resolve();
        });
        const end = (): void => {
          if (sockets.size > 0) return;
          cancel();
          resolve();
        };
        for (const socket of sockets) socket.once("close", end);
        end();
      }),
  };
}

/** Bytes pass through grpc-js untouched: decoding happens in the handler, where a bad message is the caller's fault. */
function definitionOf(method: DescMethod): MethodDefinition<Uint8Array, Uint8Array> {
  const pass = (bytes: Uint8Array): Buffer => bytes as Buffer;
  const isClientStream =
    method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const isServerStream =
    method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  return {
    path: `/${fullName(method)}`,
    requestStream: isClientStream,
    responseStream: isServerStream,
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  };
}

interface MethodOptions extends GrpcServerOptions {
  readonly interceptors: readonly Interceptor[];
}

function serveMethod(
  method: DescMethod,
  handler: AnyHandler,
  options: MethodOptions,
): UntypedHandleCall {
  const info: CallInfo = { role: options.role, name: fullName(method), protocol: "grpc" };
  const { interceptors } = options;
  const unary = async (
    call: ServerUnaryCall<Uint8Array, Uint8Array>,
    answer: sendUnaryData<Uint8Array>,
  ) => {
    const entry = enter(method, call, options);
    const { context } = entry;
    const trailersOf = watchTrace(context.trace);
    try {
      await nextTurn();
      const response = await dispatchUnary({ interceptors, info, context }, (inner) => {
        noteAttempts(call.metadata, inner.trace);
        return handler(decode(method, call.request), inner);
      });
      answer(null, encode(method, response), trailersOf());
    } catch (thrown) {
      answer(toServiceError(toMeshError(thrown), context.requestId, trailersOf()));
    } finally {
      entry.close();
    }
  };
  const stream = async (call: StreamCall) => {
    const entry = enter(method, call, options);
    const { context } = entry;
    const trailersOf = watchTrace(context.trace);
    try {
      const request = "read" in call ? decodeEach(method, call) : decode(method, call.request);
      const responses = dispatchStream(
        { interceptors, info, context },
        (inner) =>
          // `bind` has checked that a streaming method has a handler that returns an iterable.
          handler(request, inner) as AsyncIterable<unknown>,
      );
      for await (const response of responses) {
        if (!call.write(encode(method, response))) {
          await untilAborted(once(call, "drain"), context.signal);
        }
      }
      call.end(trailersOf());
    } catch (thrown) {
      call.emit("error", toServiceError(toMeshError(thrown), context.requestId, trailersOf()));
    } finally {
      entry.close();
    }
  };
  // grpc-js types handlers by kind; the definition above says which kind this method is.
  return (method.methodKind === "unary" ? unary : stream) as UntypedHandleCall;
}

/** Says how often the call was tried before, which only retries tell. */
export function noteAttempts(metadata: Metadata, span: Span): void {
  if (!span.isRecording) return;
  const [attempts] = metadata.get("grpc-previous-rpc-attempts");
  if (attempts !== undefined) span.set("previous-rpc-attempts", Number(attempts));
}

/** Trailing metadata of an answer whose trace is kept though its caller did not say so: that keeps its part as well. */
export const traceKeptKey = "arrowmesh-trace-kept";

/** What the answer says of the trace, once it has ended here. */
function watchTrace(entered: Span): () => Metadata | undefined {
  const isCallerUnaware = hasUnsampledCaller(entered);
  return () => {
    // The sampler of this process chose it at once, or its end did.
    if (!isCallerUnaware || !entered.isSampled) return undefined;
    const metadata = new Metadata();
    metadata.set(traceKeptKey, "1");
    return metadata;
  };
}

/** Whether the caller has a part in the trace, and has not said that it keeps it. */
function hasUnsampledCaller(entered: Span): boolean {
  const caller = entered.toSpanContext();
  return caller !== undefined && (caller.traceFlags & TraceFlags.SAMPLED) === 0;
}

type StreamCall =
  | ServerWritableStream<Uint8Array, Uint8Array>
  | ServerDuplexStream<Uint8Array, Uint8Array>;

function enter(
  method: DescMethod,
  call: ServerUnaryCall<Uint8Array, Uint8Array> | StreamCall,
  { openEntry, clock }: MethodOptions,
): Entry {
  const deadline = call.getDeadline();
  const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
  const entry = openEntry({
    name: fullName(method),
    carrier: call.metadata,
    getter: metadataGetter,
    clientIp: call.getPeer(),
    timeoutMs: Number.isFinite(deadlineMs) ? deadlineMs - clock.dateMs() : undefined,
    isStream: isStream(method),
  });
  (call as EventEmitter).on("cancelled", () => entry.cancel());
  return entry;
}

export const metadataGetter: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata.getMap()),
  get(metadata, key) {
    const [value] = metadata.get(key);
    return value === undefined ? undefined : String(value);
  },
};

/** A request that is not valid Protobuf, or holds text that is not UTF-8, is the caller's mistake. */
function decode(method: DescMethod, bytes: Uint8Array): unknown {
  try {
    return fromBinary(method.input, bytes);
  } catch (cause) {
    throw new MeshError("malformed", `not a valid ${method.input.typeName}`, { cause });
  }
}

function decodeEach(method: DescMethod, call: Readable): AsyncIterable<unknown> {
  // By default, reading to the end would destroy the stream, which is also the way back.
  const messages: AsyncIterable<Uint8Array> = call.iterator({ destroyOnReturn: false });
  return mapEach(messages, (bytes) => decode(method, bytes));
}

function encode(method: DescMethod, response: unknown): Buffer {
  // `bind` has checked that handlers answer with the init shape of their output.
  const message = create(method.output, response as MessageInitShape<typeof method.output>);
  return toBuffer(toBinary(method.output, message));
}

function toServiceError(error: MeshError, requestId: string, metadata = new Metadata()) {
  metadata.set("grpc-status-details-bin", Buffer.from(toStatusBytes(error, requestId)));
  return { code: answerOf[error.fault].code as number, details: error.message, metadata };
}

/** grpc-js copies messages by a method that only Buffer has; this is the same memory under that type. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
