import { ROOT_CONTEXT } from "@opentelemetry/api";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../gen/grpc/health/v1/health_pb.js";
import type { CallContext, Channel } from "../lib/rpc/call.js";
import { createGrpcChannel } from "../lib/rpc/grpc-channel.js";
import type { Platform } from "./platform.js";

/** A way to a role, here or elsewhere. */
export interface Reached {
  readonly channel: Channel;
  readonly isRemote: boolean;
  readonly isReady: () => Promise<boolean>;
}

/** How long a peer may take to say that it is ready. */
const peerReadyMsMax = 1_000;

/** The way to a role of another process, by gRPC. */
export function reachRemotely(address: string, platform: Platform): Reached {
  const { clock, config, defer } = platform;
  const { messageBytesMax } = config;
  const channel = createGrpcChannel({ address, clock, messageBytesMax, defer });
  const health = channel.client(Health);
  return {
    channel,
    isRemote: true,
    async isReady() {
      const context: CallContext = {
        signal: AbortSignal.timeout(peerReadyMsMax),
        deadlineAtMs: clock.nowMs() + peerReadyMsMax,
        trace: ROOT_CONTEXT,
        requestId: "ready",
        clientIp: "",
      };
      try {
        return (await health.check({}, context)).status === Serving.SERVING;
      } catch {
        // Whatever is wrong with the peer, it is not ready.
        return false;
      }
    },
  };
}
