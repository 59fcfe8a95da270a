import { createRegistry, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayload_RequestInfoSchema,
  type ConformancePayloadSchema,
  ConformanceService,
  type Error as ErrorDefinition,
  file_connectrpc_conformance_v1_service,
  type Header,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "../../gen/connectrpc/conformance/v1/service_pb.js";
import { sleep, systemClock } from "../../lib/clock.js";

type Payload = MessageInitShape<typeof ConformancePayloadSchema>;
type Info = MessageInitShape<typeof ConformancePayload_RequestInfoSchema>;

const registry = createRegistry(file_connectrpc_conformance_v1_service);

/** The service that connectconformance calls: it says what was received, and answers as the request tells it to. */
export function addConformanceRoutes(router: ConnectRouter): void {
  router.service(
    ConformanceService,
    {
      unary: (request, context) =>
        answerOnce(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], context),

      idempotentUnary: (request, context) => {
        const received = anyPack(IdempotentUnaryRequestSchema, request);
        return answerOnce(request.responseDefinition, [received], context);
      },

      async clientStream(requests, context) {
        const received: Any[] = [];
        let definition: UnaryResponseDefinition | undefined;
        for await (const request of requests) {
          definition ??= request.responseDefinition;
          received.push(anyPack(ClientStreamRequestSchema, request));
        }
        return await answerOnce(definition, received, context);
      },

      serverStream: (request, context) => {
        const received = anyPack(ServerStreamRequestSchema, request);
        return answerStream(request.responseDefinition, [received], context);
      },

      bidiStream: answerBoth,
    },
    { jsonOptions: { registry } },
  );
}

async function answerOnce(
  definition: UnaryResponseDefinition | undefined,
  received: Any[],
  context: HandlerContext,
): Promise<{ payload: Payload }> {
  const requestInfo = describe(received, context);
  setHeaders(definition, context);
  await sleep(systemClock, definition?.responseDelayMs ?? 0);
  const response = definition?.response;
  if (response?.case === "error") throw toError(response.value, requestInfo);
  return {
    payload: { requestInfo, ...(response?.case === "responseData" && { data: response.value }) },
  };
}

/** Full duplex: one answer a request. Half duplex: all answers after all requests. */
async function* answerBoth(
  requests: AsyncIterable<BidiStreamRequest>,
  context: HandlerContext,
): AsyncGenerator<{ payload: Payload }> {
  let first: BidiStreamRequest | undefined;
  let received: Any[] = [];
  let sentCount = 0;
  for await (const request of requests) {
    received.push(anyPack(BidiStreamRequestSchema, request));
    if (first === undefined) setHeaders(request.responseDefinition, context);
    first ??= request;
    if (!first.fullDuplex) continue;
    const data = first.responseDefinition?.responseData[sentCount];
    if (data === undefined) break;
    await sleep(systemClock, first.responseDefinition?.responseDelayMs ?? 0);
    const requestInfo = sentCount === 0 ? describe(received, context) : { requests: received };
    yield { payload: { data, requestInfo } };
    received = [];
    sentCount += 1;
  }
  yield* answerRest(first?.responseDefinition, received, context, sentCount);
}

async function* answerStream(
  definition: StreamResponseDefinition | undefined,
  received: Any[],
  context: HandlerContext,
): AsyncGenerator<{ payload: Payload }> {
  setHeaders(definition, context);
  yield* answerRest(definition, received, context, 0);
}

/** The answers that have not been sent yet; the very first says what was received, and so does an error before it. */
async function* answerRest(
  definition: StreamResponseDefinition | undefined,
  received: Any[],
  context: HandlerContext,
  sentCount: number,
): AsyncGenerator<{ payload: Payload }> {
  let requestInfo = sentCount === 0 ? describe(received, context) : undefined;
  for (const data of definition?.responseData.slice(sentCount) ?? []) {
    await sleep(systemClock, definition?.responseDelayMs ?? 0);
    yield { payload: { data, ...(requestInfo && { requestInfo }) } };
    requestInfo = undefined;
  }
  if (definition?.error !== undefined) throw toError(definition.error, requestInfo);
}

function describe(requests: Any[], context: HandlerContext): Info {
  const timeoutMs = context.timeoutMs();
  const query = [...new URL(context.url).searchParams].map(([name, value]) => ({
    name,
    value: [value],
  }));
  return {
    requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
    requests,
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.round(timeoutMs)) }),
    ...(context.requestMethod === "GET" && { connectGetInfo: { queryParams: query } }),
  };
}

function setHeaders(
  definition: UnaryResponseDefinition | StreamResponseDefinition | undefined,
  { responseHeader, responseTrailer }: HandlerContext,
): void {
  append(responseHeader, definition?.responseHeaders ?? []);
  append(responseTrailer, definition?.responseTrailers ?? []);
}

function append(headers: Headers, added: readonly Header[]): void {
  for (const { name, value } of added) for (const one of value) headers.append(name, one);
}

function toError(
  { code, message, details }: ErrorDefinition,
  requestInfo: Info | undefined,
): ConnectError {
  const error = new ConnectError(message ?? "", code as number);
  for (const any of details) {
    const value = anyUnpack(any, registry);
    const desc = value && registry.getMessage(value.$typeName);
    if (desc !== undefined && value !== undefined) error.details.push({ desc, value });
  }
  if (requestInfo !== undefined) {
    error.details.push({ desc: ConformancePayload_RequestInfoSchema, value: requestInfo });
  }
  return error;
}
