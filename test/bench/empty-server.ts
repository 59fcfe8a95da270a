// A grpc-js server that decides nothing: what its transport alone can do, or with `messages` the transport and Protobuf.
// Says its port on standard output.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponseSchema,
  RateLimitResponse_RateLimit_Unit as Unit,
} from "../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { toBuffer } from "../../lib/rpc/grpc-server.js";

const isReading = process.argv.includes("messages");
const server = new Server({ "grpc.enable_channelz": 0 });
const pass = (bytes: Buffer): Buffer => bytes;

/** What the limiters beside it say of a request within its limit. */
function answerTo(bytes: Uint8Array): RateLimitResponse {
  const { descriptors } = fromBinary(RateLimitRequestSchema, bytes);
  return create(RateLimitResponseSchema, {
    overallCode: Code.OK,
    statuses: descriptors.map(() => ({
      code: Code.OK,
      currentLimit: { requestsPerUnit: 1_000_000, unit: Unit.MINUTE },
      limitRemaining: 999_999,
      durationUntilReset: { seconds: 60n },
    })),
  });
}

/** overall_code: OK */
const ready = Buffer.from([8, 1]);

server.addService(
  {
    ShouldRateLimit: {
      path: "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
      ...{ requestStream: false, responseStream: false },
      ...{ requestSerialize: pass, requestDeserialize: pass },
      ...{ responseSerialize: pass, responseDeserialize: pass },
    },
  },
  {
    ShouldRateLimit: (
      { request }: ServerUnaryCall<Buffer, Buffer>,
      respond: sendUnaryData<Buffer>,
    ) => {
      const answer = isReading
        ? toBuffer(toBinary(RateLimitResponseSchema, answerTo(request)))
        : ready;
      respond(null, answer);
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});
process.once("SIGTERM", () => server.forceShutdown());
