import { isServerFault, type MeshError } from "../errors.js";
import { causeOf, type Log } from "../log.js";
import type { CallContext } from "../rpc/call.js";
import { type CallRecord, createCallRecord, httpStatusOf } from "../rpc/call-record.js";
import { codeNameOf } from "../rpc/code-name.js";
import type { CallObserver, EndedCall } from "./observe.js";

export interface AccessLogOptions {
  /** Whether lines have what tells people from each other: address and user. */
  readonly isPersonalDataLogged: boolean;
}

/** One line a call, of a stream too. `docs/logs.md` says what each field means. */
export function logAccess(log: Log, options: AccessLogOptions): CallObserver {
  const isOn = {
    info: log.isLevelEnabled("info"),
    warn: log.isLevelEnabled("warn"),
    error: log.isLevelEnabled("error"),
  };
  return (call) => {
    const bug = bugOf(call.error, call.context.callRecord);
    const level = levelOf(call.error, bug);
    if (isOn[level]) log[level](fieldsOf(call, bug, options), "call");
  };
}

/** What this process has to explain. A bug of another process stands in the log of that one, with its cause. */
function bugOf(error: MeshError | undefined, record: CallRecord | undefined) {
  const bug = error?.fault === "internal" ? error : record?.bug;
  return bug === undefined || bug.details.isLogged === true ? undefined : bug;
}

function levelOf(error: MeshError | undefined, bug: MeshError | undefined) {
  if (bug !== undefined) return "error";
  return error !== undefined && isServerFault(error.fault) ? "warn" : "info";
}

/** In the order of a line; what is undefined stays out of it. */
function fieldsOf(
  { info, context, error, beganAtMs, endMs }: EndedCall,
  bug: MeshError | undefined,
  { isPersonalDataLogged }: AccessLogOptions,
): Record<string, unknown> {
  const { trace, callRecord: record = emptyRecord } = context;
  const isHttp = info.protocol === "http";
  const fields: Record<string, unknown> = {
    request_id: context.requestId,
    trace_id: trace.traceId,
    traced: trace.exemplarId(error, endMs) === undefined ? undefined : true,
    role: info.role,
    route: info.name,
    protocol: info.protocol,
    status: error?.fault ?? "ok",
    http_status: isHttp ? httpStatusOf(error, record) : undefined,
    rpc_code: isHttp ? undefined : codeNameOf(error),
    duration_ms: rounded(endMs - beganAtMs),
    key_id: given(record.caller?.apiKey),
    tier: given(record.caller?.tier),
    model: given(record.model),
    version: given(record.version),
    tokens: given(record.tokens),
    degraded: given(record.limits.isDegraded),
    failed_messages: given(record.failedMessages),
  };
  if (record.inputs > 0) addWork(fields, record);
  if (isPersonalDataLogged) addPerson(fields, context);
  if (error !== undefined && isServerFault(error.fault)) fields.reason = error.message;
  if (bug !== undefined) fields.cause = causeOf(bug);
  return fields;
}

/** For calls that tests make without one. */
const emptyRecord = createCallRecord();

/** Empty, zero and false say that there is nothing to say. */
function given<T>(value: T): T | undefined {
  return value || undefined;
}

function addWork(fields: Record<string, unknown>, record: CallRecord): void {
  fields.inputs = record.inputs;
  fields.cached = record.cachedInputs;
  fields.tokenization_ms = rounded(record.tokenizationMs);
  fields.queue_ms = rounded(record.queueMs);
  fields.compute_ms = rounded(record.computeMs);
}

function addPerson(fields: Record<string, unknown>, { clientIp, callRecord }: CallContext): void {
  fields.client_ip = clientIp;
  fields.user = given(callRecord?.caller?.user);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
