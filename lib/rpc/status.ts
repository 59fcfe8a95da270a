import {
  create,
  createRegistry,
  fromBinary,
  isMessage,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  type Any,
  anyPack,
  anyUnpack,
  type Duration,
  DurationSchema,
} from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.js";
import { answerOf, type Fault, type FaultDetails, MeshError } from "../errors.js";

const domain = "arrowmesh";
const knownDetails = createRegistry(
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
);

/** One typed detail of an error, still a message. */
export interface Detail {
  readonly schema: GenMessage<Message>;
  readonly message: Message;
}

/** The details of a fault in Google's error model: why, which fields, which limits, when to retry. */
export function toDetails(error: MeshError, requestId: string): Detail[] {
  const { fields, quotas, retryAfterMs } = error.details;
  const details: Detail[] = [
    detail(ErrorInfoSchema, {
      reason: error.fault.toUpperCase(),
      domain,
      metadata: { request_id: requestId },
    }),
  ];
  if (fields !== undefined) {
    details.push(
      detail(BadRequestSchema, { fieldViolations: fields.map((field) => ({ ...field })) }),
    );
  }
  if (quotas !== undefined) {
    details.push(detail(QuotaFailureSchema, { violations: quotas.map((quota) => ({ ...quota })) }));
  }
  if (retryAfterMs !== undefined) {
    details.push(detail(RetryInfoSchema, { retryDelay: toDuration(retryAfterMs) }));
  }
  return details;
}

/** A fault as google.rpc.Status, the form it has in a stream and in `grpc-status-details-bin`. */
export function toStatus(error: MeshError, requestId: string): Status {
  return create(StatusSchema, {
    code: answerOf[error.fault].code,
    message: error.message,
    details: toDetails(error, requestId).map(({ schema, message }) => anyPack(schema, message)),
  });
}

export function toStatusBytes(error: MeshError, requestId: string): Uint8Array {
  return toBinary(StatusSchema, toStatus(error, requestId));
}

/** The fault a peer answered with; what it was before the wire, when the peer is one of ours. */
export function fromStatus(answer: {
  readonly code: number;
  readonly message: string;
  readonly statusBytes: Uint8Array | undefined;
}): MeshError {
  const { code, message, statusBytes } = answer;
  const details = statusBytes === undefined ? [] : fromBinary(StatusSchema, statusBytes).details;
  return errorOf({ code, message, details });
}

/** The same for a Status inside an answer. */
export function errorOf({
  code,
  message,
  details,
}: Pick<Status, "code" | "message" | "details">): MeshError {
  const known = readDetails(details);
  return new MeshError(known.fault ?? faultOfCode[code] ?? "internal", message, known);
}

/** For answers that carry no ErrorInfo of ours: what the gRPC library or a proxy says by itself. */
const faultOfCode: Readonly<Record<number, Fault>> = {
  [Code.Canceled]: "cancelled",
  [Code.InvalidArgument]: "invalid",
  [Code.DeadlineExceeded]: "deadline",
  [Code.NotFound]: "not_found",
  [Code.PermissionDenied]: "forbidden",
  [Code.Unauthenticated]: "unauthenticated",
  [Code.ResourceExhausted]: "overloaded",
  [Code.Unimplemented]: "unsupported",
  [Code.Unavailable]: "unavailable",
};

function readDetails(details: readonly Any[]): FaultDetails & { readonly fault?: Fault } {
  return Object.assign({}, ...details.map((any) => readDetail(anyUnpack(any, knownDetails))));
}

function readDetail(message: Message | undefined): FaultDetails & { readonly fault?: Fault } {
  if (isMessage(message, ErrorInfoSchema)) {
    const fault = message.reason.toLowerCase();
    return message.domain === domain && isFault(fault) ? { fault, isLogged: true } : {};
  }
  if (isMessage(message, BadRequestSchema)) return { fields: message.fieldViolations };
  if (isMessage(message, QuotaFailureSchema)) return { quotas: message.violations };
  if (!isMessage(message, RetryInfoSchema) || message.retryDelay === undefined) return {};
  return { retryAfterMs: toMs(message.retryDelay) };
}

function isFault(name: string): name is Fault {
  return Object.hasOwn(answerOf, name);
}

function detail<T extends Message>(
  schema: GenMessage<T>,
  init: Parameters<typeof create<GenMessage<T>>>[1],
): Detail {
  // A schema of T is also a schema of some message; the pair stays together.
  return { schema: schema as unknown as GenMessage<Message>, message: create(schema, init) };
}

function toDuration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, {
    seconds: BigInt(seconds),
    nanos: Math.round((ms - seconds * 1000) * 1e6),
  });
}

function toMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}
