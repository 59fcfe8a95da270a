import { type Attributes, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { answerOf } from "../errors.js";
import type { CallContext } from "../rpc/call.js";
import type { CallInfo, Interceptor } from "./interceptor.js";

/** One span a call, named after the method or route; what the handler calls becomes its children. */
export function traceCalls(): Interceptor {
  const tracer = trace.getTracer("arrowmesh");
  return (info, context) => {
    const kind = info.protocol === "local" ? SpanKind.INTERNAL : SpanKind.SERVER;
    const span = tracer.startSpan(info.name, { kind }, context.trace);
    const inner = { ...context, trace: trace.setSpan(context.trace, span) };
    // Most requests are not sampled; they pay for a context only.
    if (!span.isRecording()) return { context: inner };
    span.setAttributes(attributesOf(info, context));
    return {
      context: inner,
      end(error) {
        if (error !== undefined) {
          span.setAttribute("error.type", error.fault);
          const { httpStatus, code } = answerOf[error.fault];
          if (info.protocol === "http") span.setAttribute("http.response.status_code", httpStatus);
          else span.setAttribute("rpc.response.status_code", String(code));
          span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
        }
        span.end();
      },
    };
  };
}

/** Names of OpenTelemetry's RPC and HTTP conventions. */
function attributesOf(info: CallInfo, { requestId }: CallContext): Attributes {
  const role = { "arrowmesh.role": info.role, "arrowmesh.request_id": requestId };
  if (info.protocol !== "http") {
    return { ...role, "rpc.system.name": rpcSystemOf[info.protocol], "rpc.method": info.name };
  }
  const [method = "", route = ""] = info.name.split(" ");
  return { ...role, "http.request.method": method, "http.route": route };
}

const rpcSystemOf: Readonly<Record<Exclude<CallInfo["protocol"], "http">, string>> = {
  grpc: "grpc",
  "grpc-web": "grpc",
  connect: "connectrpc",
  local: "local",
};
