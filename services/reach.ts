import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../gen/grpc/health/v1/health_pb.js";
import type { Clock } from "../lib/clock.js";
import type { CallContext, Channel } from "../lib/rpc/call.js";
import { createGrpcChannel } from "../lib/rpc/grpc-channel.js";
import { noSpan } from "../lib/tracing/span.js";
import type { Platform } from "./platform.js";

/** A way to a role, here or elsewhere. */
export interface Reached {
  readonly channel: Channel;
  /** For questions that are nobody's requests, so they are not measured. */
  readonly probes: Channel;
  readonly isRemote: boolean;
  readonly isReady: () => Promise<boolean>;
}

/** How long a peer may take to say that it is ready. */
const peerReadyMsMax = 1_000;

/** The way to a role of another process, by gRPC. */
export function reachRemotely(role: string, address: string, platform: Platform): Reached {
  const { clock, config, defer, upstreams } = platform;
  const { messageBytesMax } = config;
  const options = { address, clock, messageBytesMax, defer };
  const probes = createGrpcChannel(options);
  const health = probes.client(Health);
  const isReady = async (): Promise<boolean> => {
    try {
      const { status } = await health.check({}, openOwnCall("ready", peerReadyMsMax, clock));
      return status === Serving.SERVING;
    } catch {
      // Whatever is wrong with the peer, it is not ready.
      return false;
    }
  };
  const calls = upstreams.observe(role, isReady);
  return { channel: createGrpcChannel({ ...options, calls }), probes, isRemote: true, isReady };
}

/** A call that no caller's request is behind. */
export function openOwnCall(requestId: string, timeoutMs: number, clock: Clock): CallContext {
  return {
    signal: AbortSignal.timeout(timeoutMs),
    deadlineAtMs: clock.nowMs() + timeoutMs,
    trace: noSpan,
    requestId,
    clientIp: "",
  };
}
