import type { DescService } from "@bufbuild/protobuf";
import type { AnyHandler, Binding, CallContext, Channel } from "./call.js";

/** Serves the unary calls of a service by passing them on; `after` is told of each one that succeeded. */
export function forward(
  service: DescService,
  channel: Channel,
  after: (method: string) => void = () => {},
): Binding {
  const client = channel.client(service) as Readonly<Record<string, AnyHandler>>;
  const handlers = Object.entries(client).map(([method, call]) => {
    const handler = async (request: unknown, context: CallContext): Promise<unknown> => {
      const response = await call(request, context);
      after(method);
      return response;
    };
    return [method, handler] as const;
  });
  return { service, handlers: Object.fromEntries(handlers) };
}
