import type { DescService } from "@bufbuild/protobuf";
import { type AnyHandler, type Binding, type CallContext, type Channel, isStream } from "./call.js";

/** Serves the unary calls of a service by passing them on; `after` is told of each one that succeeded. */
export function forward(
  service: DescService,
  channel: Channel,
  after: (method: string) => void = () => {},
): Binding {
  const client = channel.client(service) as Readonly<Record<string, AnyHandler>>;
  const unary = service.methods.filter((method) => !isStream(method));
  const handlers = unary.map(({ localName }) => {
    const handler = async (request: unknown, context: CallContext): Promise<unknown> => {
      const response = await client[localName]?.(request, context);
      after(localName);
      return response;
    };
    return [localName, handler] as const;
  });
  return { service, handlers: Object.fromEntries(handlers) };
}
