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

/** The health of things that come and go, by name, besides that of the services. */
export type NamedHealth = () => Promise<ReadonlyMap<string, boolean>>;

/**
 * The standard health service over one question: is this process ready? It looks when asked, so there is no
 * state to fall behind. The empty name is the server as a whole; models have names of their own.
 */
export function createHealth(options: {
  readonly services: readonly string[];
  readonly isReady: () => Promise<boolean>;
  readonly models: NamedHealth;
  /** Aborted when the server drains; it ends every Watch. */
  readonly draining: AbortSignal;
  readonly clock: Clock;
}): Binding {
  const names = new Set(["", ...options.services]);
  /** Undefined: nothing here has that name. */
  const look = async (name: string): Promise<Serving | undefined> => {
    const isModelReady = names.has(name) ? undefined : (await options.models()).get(name);
    if (!names.has(name) && isModelReady === undefined) return undefined;
    if (options.draining.aborted) return Serving.NOT_SERVING;
    return (isModelReady ?? (await options.isReady())) ? Serving.SERVING : Serving.NOT_SERVING;
  };

  return bind(Health, {
    async check({ service }) {
      const status = await look(service);
      if (status === undefined) throw new MeshError("not_found", `unknown service ${service}`);
      return { status };
    },

    async list() {
      const all = [...names, ...(await options.models()).keys()];
      const states = all.map(async (name) => {
        const status = (await look(name)) ?? Serving.NOT_SERVING;
        return [name, create(HealthCheckResponseSchema, { status })] as const;
      });
      return { statuses: Object.fromEntries(await Promise.all(states)) };
    },

    async *watch({ service }, { signal }) {
      let told: Serving | undefined;
      while (!signal.aborted) {
        const status = (await look(service)) ?? Serving.SERVICE_UNKNOWN;
        if (status !== told) yield { status };
        told = status;
        if (options.draining.aborted) return;
        await sleep(options.clock, watchMs);
      }
    },
  });
}
