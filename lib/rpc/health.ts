import { create } from "@bufbuild/protobuf";
import {
  Health,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "../../gen/grpc/health/v1/health_pb.js";
import { type Clock, sleep } from "../clock.js";
import { MeshError } from "../errors.js";
import { type Binding, bind } from "./call.js";

/** How often Watch looks again. */
const watchMs = 500;

/**
 * The standard health service over one question: is this process ready? It looks when asked, so there is no
 * state to fall behind. The empty name is the server as a whole.
 */
export function createHealth(options: {
  readonly services: readonly string[];
  readonly isReady: () => Promise<boolean>;
  /** Aborted when the server drains; it ends every Watch. */
  readonly draining: AbortSignal;
  readonly clock: Clock;
}): Binding {
  const names = new Set(["", ...options.services]);
  const look = async (): Promise<Serving> =>
    !options.draining.aborted && (await options.isReady()) ? Serving.SERVING : Serving.NOT_SERVING;

  return bind(Health, {
    async check({ service }) {
      if (!names.has(service)) throw new MeshError("not_found", `unknown service ${service}`);
      return { status: await look() };
    },

    async list() {
      const state = create(HealthCheckResponseSchema, { status: await look() });
      return { statuses: Object.fromEntries([...names].map((name) => [name, state])) };
    },

    async *watch({ service }, { signal }) {
      let told: Serving | undefined;
      while (!signal.aborted) {
        const status = names.has(service) ? await look() : Serving.SERVICE_UNKNOWN;
        if (status !== told) yield { status };
        told = status;
        if (options.draining.aborted) return;
        await sleep(options.clock, watchMs);
      }
    },
  });
}
