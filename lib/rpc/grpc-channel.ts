import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { credentials, Client as GrpcClient, Metadata, type ServiceError } from "@grpc/grpc-js";
import { propagation } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import type { Release } from "../defer.js";
import { MeshError, toMeshError } from "../errors.js";
import { getOrAdd } from "../get-or-add.js";
import type { UpstreamCalls } from "../metrics/upstreams.js";
import type { Facts, Span } from "../tracing/span.js";
import {
  type CallContext,
  type Channel,
  type Client,
  createClient,
  fullName,
  type UnaryCall,
} from "./call.js";
import { codeNameOf } from "./code-name.js";
import { noteAttempts, toBuffer, traceKeptKey } from "./grpc-server.js";
import { fromStatus } from "./status.js";

export interface GrpcChannelOptions {
  /** A gRPC target: `host:port`, `dns:///name:port`, or `ipv4:1.2.3.4:1,1.2.3.5:2`. Calls go round all addresses. */
  readonly address: string;
  readonly clock: Clock;
  readonly messageBytesMax: number;
  readonly defer: (release: Release) => void;
  /** Absent: its calls are not measured. */
  readonly calls?: UpstreamCalls;
}

/** Calls a service of another process by grpc-js: balanced, with deadlines, cancellation, retries and keepalive. */
export function createGrpcChannel(options: GrpcChannelOptions): Channel {
  return {
    client<S extends DescService>(service: S): Client<S> {
      const client = new GrpcClient(options.address, credentials.createInsecure(), {
        "grpc.service_config": JSON.stringify(serviceConfigOf(service)),
        "grpc.max_receive_message_length": options.messageBytesMax,
        "grpc.max_send_message_length": options.messageBytesMax,
        "grpc.keepalive_time_ms": 30_000,
        "grpc.keepalive_timeout_ms": 10_000,
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 5_000,
        "grpc.dns_min_time_between_resolutions_ms": 5_000,
      });
      options.defer(() => client.close());
      const { clock, calls } = options;
      const peer = { client, clock, calls, server: serverOf(options.address) };
      return createClient(service, (method) => callOver(peer, method));
    },
  };
}

/** Retries are for UNAVAILABLE and for methods the contract calls idempotent; a failing peer is not hammered. */
function serviceConfigOf(service: DescService): object {
  const idempotent = service.methods.filter(
    (method) => method.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN,
  );
  return {
    loadBalancingConfig: [{ round_robin: {} }],
    retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
    methodConfig: [
      {
        name: idempotent.map((method) => ({ service: service.typeName, method: method.name })),
        retryPolicy: {
          maxAttempts: 3,
          initialBackoff: "0.05s",
          maxBackoff: "1s",
          backoffMultiplier: 2,
          retryableStatusCodes: ["UNAVAILABLE"],
        },
      },
    ],
  };
}

/** Whom a client calls. */
interface Peer {
  readonly client: GrpcClient;
  readonly clock: Clock;
  readonly calls: UpstreamCalls | undefined;
  readonly server: { readonly address: string; readonly port: number | undefined };
}

/** Of a target that names one host, that host and its port; of any other, the target. */
function serverOf(target: string): Peer["server"] {
  const match = /^(?:dns:(?:\/\/\/)?)?([^/,:]+|\[[\dA-Fa-f:.]+\]):(\d+)$/.exec(target);
  return { address: match?.[1] ?? target, port: match?.[2] ? Number(match[2]) : undefined };
}

function callOver({ client, clock, calls, server }: Peer, method: DescMethod): UnaryCall {
  const name = fullName(method);
  const measure = calls?.ofMethod(name);
  const peerFacts = {
    ...{ "rpc.system.name": "grpc", "rpc.method": name, "server.address": server.address },
    ...(server.port !== undefined && { "server.port": server.port }),
  };
  const known = new Map<string, Facts>();
  const factsOf = (error?: MeshError): Facts => {
    const status = codeNameOf(error);
    return getOrAdd(known, status, () => ({ ...peerFacts, "rpc.response.status_code": status }));
  };
  return async (request, context) => {
    const measured = measure?.();
    const span = context.trace.begin(name, { kind: "client" });
    try {
      const metadata = metadataOf(context, span);
      const bytes = toBinary(method.input, create(method.input, request));
      const call = { client, path: `/${name}`, bytes, metadata, method, clock, context, span };
      const response = await callUnary(call);
      span.describe(factsOf());
      measured?.(undefined, span.exemplarId());
      span.end();
      return response;
    } catch (thrown) {
      const error = toMeshError(thrown);
      span.describe(factsOf(error));
      measured?.(error, span.exemplarId(error));
      span.end(error);
      throw thrown;
    }
  };
}

function callUnary(call: {
  readonly client: GrpcClient;
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly metadata: Metadata;
  readonly method: DescMethod;
  readonly clock: Clock;
  readonly context: CallContext;
  readonly span: Span;
}): Promise<Message> {
  const { clock, context } = call;
  const { signal } = context;
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    // What is left of the deadline here is all that the next hop gets.
    const deadline = clock.dateMs() + (context.deadlineAtMs - clock.nowMs());
    const running = call.client.makeUnaryRequest(
      call.path,
      toBuffer,
      (bytes: Buffer) => fromBinary(call.method.output, bytes),
      call.bytes,
      call.metadata,
      { deadline },
      (error: ServiceError | null, response?: Message) => {
        signal.removeEventListener("abort", onAbort);
        if (error !== null) reject(signal.aborted ? signal.reason : toFault(error));
        else if (response !== undefined) resolve(response);
        else reject(new MeshError("internal", `${call.path} answered without a message`));
      },
    );
    running.on("metadata", (metadata) => noteAttempts(metadata, call.span));
    running.on("status", ({ metadata }) => {
      noteAttempts(metadata, call.span);
      if (metadata.get(traceKeptKey).length > 0) call.span.keep();
    });
    const onAbort = (): void => running.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function metadataOf(context: CallContext, span: Span): Metadata {
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
