// A grpc-js server whose decisions are ready bytes: what the transport alone can do. Says its port on standard output.

import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";

const server = new Server({ "grpc.enable_channelz": 0 });
const pass = (bytes: Buffer): Buffer => bytes;
/** overall_code: OK */
const answer = Buffer.from([8, 1]);

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
    ShouldRateLimit: (_call: unknown, respond: sendUnaryData<Buffer>) => respond(null, answer),
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});
process.once("SIGTERM", () => server.forceShutdown());
