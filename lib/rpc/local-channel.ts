import {
  create,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import type { Interceptor } from "../interceptors/interceptor.js";
import { mapEach } from "../map-each.js";
import {
  type BidiCall,
  type Binding,
  type Channel,
  type Client,
  createClient,
  fullName,
  type UnaryCall,
} from "./call.js";
import { dispatchLocal, dispatchStream } from "./dispatch.js";

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
      const way = { ...options, binding };
      return createClient(service, {
        unary: (method) => localUnary(method, way),
        bidi: (method) => localBidi(method, way),
      });
    },
  };
}

interface Way {
  readonly role: string;
  readonly binding: Binding;
  readonly interceptors: readonly Interceptor[];
}

function localUnary(method: DescMethod, { role, binding, interceptors }: Way): UnaryCall {
  const info = { role, name: fullName(method), protocol: "local" } as const;
  const handler = binding.handlers[method.localName];
  return async (request, context) =>
    toOutput(
      method,
      await dispatchLocal({ interceptors, info, context }, (inner) =>
        handler?.(create(method.input, request), inner),
      ),
    );
}

function localBidi(method: DescMethod, { role, binding, interceptors }: Way): BidiCall {
  const info = { role, name: fullName(method), protocol: "local" } as const;
  const handler = binding.handlers[method.localName];
  return (requests, context) => {
    const received = mapEach(requests, (request) => create(method.input, request));
    const responses = dispatchStream(
      { interceptors, info, context },
      // `bind` has checked that a streaming method has a handler that returns an iterable.
      (inner) => handler?.(received, inner) as AsyncIterable<unknown>,
    );
    return mapEach(responses, (response) => toOutput(method, response));
  };
}

/** `bind` has checked that handlers answer with the init shape of their output. */
function toOutput(method: DescMethod, response: unknown): Message {
  return create(method.output, response as MessageInitShape<typeof method.output>);
}
