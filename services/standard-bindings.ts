import { Health } from "../gen/grpc/health/v1/health_pb.js";
import type { Binding } from "../lib/rpc/call.js";
import { createHealth, type NamedHealth } from "../lib/rpc/health.js";
import { createReflection } from "../lib/rpc/reflection.js";
import type { Platform } from "./platform.js";

/** Health and reflection: answered while the server drains, and not worth a span or a log line. */
export function standardBindings(
  bindings: readonly Binding[],
  ask: { readonly isReady: () => Promise<boolean>; readonly models: NamedHealth },
  { clock, drain }: Platform,
) {
  const services = bindings.map(({ service }) => service);
  const health = createHealth({
    services: services.map(({ typeName }) => typeName),
    ...ask,
    draining: drain.started,
    clock,
  });
  const reflection = createReflection([...services, Health]);
  return [health, ...reflection].map((binding) => ({ binding, interceptors: [] }));
}

/** A model is healthy while one of its versions is. */
export function modelHealth(
  models: readonly { readonly name: string; readonly isHealthy: boolean }[],
): ReadonlyMap<string, boolean> {
  const health = new Map<string, boolean>();
  for (const { name, isHealthy } of models) {
    health.set(name, isHealthy || health.get(name) === true);
  }
  return health;
}
