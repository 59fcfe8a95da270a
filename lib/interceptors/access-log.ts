import { isSpanContextValid, trace } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import type { MeshError } from "../errors.js";
import { causeOf, type Log } from "../log.js";
import type { CallContext } from "../rpc/call.js";
import type { Interceptor } from "./interceptor.js";

/** One line a call. A bug is logged with its cause, whoever called. */
export function logAccess(log: Log, clock: Clock): Interceptor {
  const isOn = log.isLevelEnabled("info");
  return (info, context) => {
    const beganAtMs = clock.nowMs();
    return {
      end(error) {
        if (error?.fault === "internal") {
          const cause = causeOf(error);
          log.error({ request_id: context.requestId, route: info.name, cause }, "call failed");
        }
        if (!isOn) return;
        log.info(
          {
            request_id: context.requestId,
            trace_id: traceIdOf(context),
            role: info.role,
            route: info.name,
            protocol: info.protocol,
            status: statusOf(error),
            limits_degraded: context.limitRecord?.isDegraded || undefined,
            duration_ms: Math.round((clock.nowMs() - beganAtMs) * 100) / 100,
          },
          "call",
        );
      },
    };
  };
}

/** Undefined, and so absent from the line, when nothing is traced. */
function traceIdOf({ trace: context }: CallContext): string | undefined {
  const span = trace.getSpanContext(context);
  return span !== undefined && isSpanContextValid(span) ? span.traceId : undefined;
}

function statusOf(error: MeshError | undefined): string {
  return error?.fault ?? "ok";
}
