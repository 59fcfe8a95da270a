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
import { type Context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import type { Release } from "../defer.js";
import { answerOf, MeshError } from "../errors.js";
import {
  type CallContext,
  type Channel,
  type Client,
  createClient,
  fullName,
  type UnaryCall,
} from "./call.js";
import { toBuffer } from "./grpc-server.js";
import { fromStatus } from "./status.js";

export interface GrpcChannelOptions {
  /** A gRPC target: `host:port`, `dns:///name:port`, or `ipv4:1.2.3.4:1,1.2.3.5:2`. Calls go round all addresses. */
  readonly address: string;
  readonly clock: Clock;
  readonly messageBytesMax: number;
  readonly defer: (release: Release) => void;
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
      return createClient(service, (method) => callOver(client, method, options.clock));
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

function callOver(client: GrpcClient, method: DescMethod, clock: Clock): UnaryCall {
  const name = fullName(method);
  const tracer = trace.getTracer("arrowmesh");
  return async (request, context) => {
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.CLIENT, attributes: { "rpc.system.name": "grpc", "rpc.method": name } },
      context.trace,
    );
    try {
      const metadata = metadataOf(context, trace.setSpan(context.trace, span));
      const bytes = toBinary(method.input, create(method.input, request));
      return await callUnary({ client, path: `/${name}`, bytes, metadata, method, clock, context });
    } catch (thrown) {
      if (thrown instanceof MeshError) {
        span.setAttribute("error.type", thrown.fault);
        span.setAttribute("rpc.response.status_code", String(answerOf[thrown.fault].code));
      }
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw thrown;
    } finally {
      span.end();
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
    const onAbort = (): void => running.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function metadataOf(context: CallContext, traceContext: Context): Metadata {
  const metadata = new Metadata();
  metadata.set("x-request-id", context.requestId);
  propagation.inject(traceContext, metadata, {
    set: (carrier, key, value) => carrier.set(key, value),
  });
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
