import {
  create,
  type DescMethod,
  type DescService,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import type { Interceptor } from "../interceptors/interceptor.js";
import {
  type Binding,
  type Channel,
  type Client,
  createClient,
  fullName,
  type UnaryCall,
} from "./call.js";
import { dispatchLocal } from "./dispatch.js";

/** Calls a service of this process: the same handlers and interceptors, without a wire and without copies. */
export function createLocalChannel(options: {
  readonly role: string;
  readonly bindings: readonly Binding[];
  readonly interceptors: readonly Interceptor[];
}): Channel {
  return {
    client<S extends DescService>(service: S): Client<S> {
      const binding = options.bindings.find((other) => other.service === service);
      if (binding === undefined) throw new Error(`${service.typeName} is not served here`);
      return createClient(service, (method) => localMethod(method, binding, options));
    },
  };
}

function localMethod(
  method: DescMethod,
  binding: Binding,
  options: { readonly role: string; readonly interceptors: readonly Interceptor[] },
): UnaryCall {
  const info = { role: options.role, name: fullName(method), protocol: "local" } as const;
  const handler = binding.handlers[method.localName];
  const { interceptors } = options;
  return async (request, context) => {
    const response = await dispatchLocal({ interceptors, info, context }, (inner) =>
      handler?.(create(method.input, request), inner),
    );
    // `bind` has checked that handlers answer with the init shape of their output.
    return create(method.output, response as MessageInitShape<typeof method.output>);
  };
}
