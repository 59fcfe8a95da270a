import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import type { Clock } from "../clock.js";
import type { Release } from "../defer.js";
import { type MeshError, toMeshError } from "../errors.js";
import { getOrAdd } from "../get-or-add.js";
import { mapEach } from "../map-each.js";
import type { UpstreamCalls } from "../metrics/upstreams.js";
import type { Facts } from "../tracing/span.js";
import {
  type BidiCall,
  type CallContext,
  type Channel,
  type Client,
  createClient,
  fullName,
  type UnaryCall,
} from "./call.js";
import { codeNameOf } from "./code-name.js";
import { callBidi, callUnary, type GrpcCall } from "./grpc-call.js";

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
      return createClient(service, {
        unary: (method) => unaryOver(peer, method),
        bidi: (method) => bidiOver(peer, method),
      });
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

function unaryOver(peer: Peer, method: DescMethod): UnaryCall {
  const begin = createBegin(peer, method);
  return async (request, context) => {
    const call = begin(context);
    try {
      const response = await callUnary(call, encode(method, request));
      call.end();
      return response;
    } catch (thrown) {
      call.end(toMeshError(thrown));
      throw thrown;
    }
  };
}

/** The call ends when the stream does: completed, failed or left. */
function bidiOver(peer: Peer, method: DescMethod): BidiCall {
  const begin = createBegin(peer, method);
  return async function* (requests, context) {
    const call = begin(context);
    try {
      yield* callBidi(
        call,
        mapEach(requests, (request) => encode(method, request)),
      );
      call.end();
    } catch (thrown) {
      call.end(toMeshError(thrown));
      throw thrown;
    } finally {
      // Reached without `end` when the reader went away.
      call.end();
    }
  };
}

/** Opens the span of a call and its measurement; `end` closes both, once. */
function createBegin({ client, clock, calls, server }: Peer, method: DescMethod) {
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
  return (context: CallContext): GrpcCall & { end(error?: MeshError): void } => {
    const measured = measure?.();
    const span = context.trace.begin(name, { kind: "client" });
    let hasEnded = false;
    return {
      ...{ client, method, clock, context, span },
      end(error) {
        if (hasEnded) return;
        hasEnded = true;
        span.describe(factsOf(error));
        measured?.(error, span.exemplarId(error));
        span.end(error);
      },
    };
  };
}

function encode(method: DescMethod, request: MessageInitShape<DescMessage>): Uint8Array {
  return toBinary(method.input, create(method.input, request));
}
