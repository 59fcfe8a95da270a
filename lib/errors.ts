import { Code } from "@connectrpc/connect";

/** What went wrong, in the domain's words. */
export type Fault =
  | "empty"
  | "invalid"
  | "malformed"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "wrong_task"
  | "wrong_method"
  | "unsupported_media_type"
  | "unsupported"
  | "limited"
  | "overloaded"
  | "too_large"
  | "cancelled"
  | "deadline"
  | "unavailable"
  | "internal";

/** What a refused caller can act on. */
export interface FaultDetails {
  /** When a retry makes sense. */
  readonly retryAfterMs?: number;
  /** Which fields are wrong, as paths in the request. */
  readonly fields?: readonly { readonly field: string; readonly description: string }[];
  /** Whether another process of the mesh has it in its log, with its cause. */
  readonly isLogged?: boolean;
  /** Which limits refused. */
  readonly quotas?: readonly QuotaViolation[];
}

/** A limit that refused, as google.rpc.QuotaFailure says it. */
export interface QuotaViolation {
  /** Whom it refused. */
  readonly subject: string;
  readonly description: string;
  /** What it counts. */
  readonly quotaMetric: string;
  /** Name of its rule. */
  readonly quotaId: string;
  /** What else is known of the call. */
  readonly quotaDimensions: Readonly<Record<string, string>>;
  /** The most that can be spent at once. */
  readonly quotaValue: bigint;
}

/** The only error domain code throws. It knows nothing of transports. */
export class MeshError extends Error {
  override readonly name = "MeshError";
  readonly fault: Fault;
  readonly details: FaultDetails;

  constructor(fault: Fault, message: string, options: ErrorOptions & FaultDetails = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.fault = fault;
    this.details = options;
  }
}

/** How each protocol says a fault. */
export interface Answer {
  /** gRPC and Connect. */
  readonly code: Code;
  /** HTTP+JSON in the shape of text-embeddings-inference: status and `error_type`. */
  readonly httpStatus: number;
  readonly errorType: string;
  /** HTTP+JSON in the shape of OpenAI: status, `type` and `code`. */
  readonly openAiStatus: number;
  readonly openAiType: string;
  readonly openAiCode: string | null;
}

/** The one table from faults to answers; `Record` makes a forgotten fault a type error. */
export const answerOf: Readonly<Record<Fault, Answer>> = {
  empty: row(Code.InvalidArgument, [400, "Empty"], [400, "invalid_request_error", null]),
  invalid: row(Code.InvalidArgument, [422, "Validation"], [400, "invalid_request_error", null]),
  malformed: row(Code.InvalidArgument, [400, "Validation"], [400, "invalid_request_error", null]),
  unauthenticated: row(
    Code.Unauthenticated,
    [401, "Unauthenticated"],
    [401, "authentication_error", "invalid_api_key"],
  ),
  forbidden: row(
    Code.PermissionDenied,
    [403, "Forbidden"],
    [403, "permission_error", "insufficient_permissions"],
  ),
  not_found: row(
    Code.NotFound,
    [404, "NotFound"],
    [404, "invalid_request_error", "model_not_found"],
  ),
  // A model that cannot do what is asked.
  wrong_task: row(
    Code.FailedPrecondition,
    [424, "Backend"],
    [400, "invalid_request_error", "model_not_supported"],
  ),
  wrong_method: row(
    Code.Unimplemented,
    [405, "MethodNotAllowed"],
    [405, "invalid_request_error", "method_not_allowed"],
  ),
  unsupported_media_type: row(
    Code.InvalidArgument,
    [415, "UnsupportedMediaType"],
    [415, "invalid_request_error", "unsupported_media_type"],
  ),
  unsupported: row(
    Code.Unimplemented,
    [501, "Unsupported"],
    [501, "invalid_request_error", "unsupported"],
  ),
  limited: row(
    Code.ResourceExhausted,
    [429, "RateLimited"],
    [429, "rate_limit_exceeded", "rate_limit_exceeded"],
  ),
  overloaded: row(
    Code.ResourceExhausted,
    [429, "Overloaded"],
    [429, "rate_limit_exceeded", "overloaded"],
  ),
  too_large: row(
    Code.ResourceExhausted,
    [413, "TooLarge"],
    [413, "invalid_request_error", "request_too_large"],
  ),
  // 499 is nginx's status for a caller that left; nobody reads it but the logs.
  cancelled: row(Code.Canceled, [499, "Cancelled"], [499, "cancelled", "cancelled"]),
  deadline: row(Code.DeadlineExceeded, [504, "Timeout"], [504, "timeout", "deadline_exceeded"]),
  unavailable: row(
    Code.Unavailable,
    [503, "Unhealthy"],
    [503, "service_unavailable", "unavailable"],
  ),
  internal: row(Code.Internal, [500, "Backend"], [500, "server_error", "internal_error"]),
};

function row(
  code: Code,
  [httpStatus, errorType]: readonly [number, string],
  [openAiStatus, openAiType, openAiCode]: readonly [number, string, string | null],
): Answer {
  return { code, httpStatus, errorType, openAiStatus, openAiType, openAiCode };
}

/** Any thrown value as a fault. What is not a MeshError is a bug: its text stays in `cause`, for the log. */
export function toMeshError(thrown: unknown): MeshError {
  if (thrown instanceof MeshError) return thrown;
  return new MeshError("internal", "internal error", { cause: thrown });
}

/** Whether the server is to blame, by its status in HTTP: what OpenTelemetry's conventions call an error of a server. */
export function isServerFault(fault: Fault): boolean {
  return answerOf[fault].httpStatus >= 500;
}
