// The server that connectconformance starts: our public port, with its service instead of the mesh's. It reads how to
// serve from stdin, says on stdout where it serves, and ends on SIGTERM.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../../gen/connectrpc/conformance/v1/server_compat_pb.js";
import { systemClock } from "../../lib/clock.js";
import { readConfig } from "../../lib/config.js";
import { Deferred } from "../../lib/defer.js";
import { createOpenEntry } from "../../lib/rpc/entry.js";
import { gatewaySchema } from "../../services/gateway/config.js";
import { openEdge } from "../../services/gateway/edge.js";
import { addConformanceRoutes } from "./service.js";

const host = "127.0.0.1";
const deferred = new Deferred();

const request = fromBinary(ServerCompatRequestSchema, await readMessage(process.stdin));
const port = await openEdge({
  host,
  config: readConfig(gatewaySchema, settingsOf(request)),
  clock: systemClock,
  openEntry: createOpenEntry(systemClock, { unaryMsMax: 30_000, streamMsMax: 30_000 }),
  bindings: [],
  interceptors: [],
  addRoutes: () => {},
  addRpcRoutes: addConformanceRoutes,
  defer: deferred.defer,
});
process.once("SIGTERM", () => void deferred.releaseAll());
const pemCert = request.serverCreds?.cert ?? new Uint8Array();
const response = create(ServerCompatResponseSchema, { host, port, pemCert });
process.stdout.write(delimited(toBinary(ServerCompatResponseSchema, response)));

/** What an operator would set to serve in this way. */
function settingsOf({
  messageReceiveLimit,
  serverCreds,
  clientTlsCert,
}: ServerCompatRequest): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-conformance-"));
  deferred.defer(() => rmSync(folder, { recursive: true }));
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes, { mode: 0o600 });
    return join(folder, name);
  };
  return {
    PORT: "0",
    COMPRESS_BYTES_MIN: "0",
    ...(messageReceiveLimit > 0 && { BODY_BYTES_MAX: String(messageReceiveLimit) }),
    ...(serverCreds && {
      TLS_CERT_FILE: write("cert.pem", serverCreds.cert),
      TLS_KEY_FILE: write("key.pem", serverCreds.key),
    }),
    ...(clientTlsCert.length > 0 && { TLS_CLIENT_CA_FILE: write("ca.pem", clientTlsCert) }),
  };
}

/** One message after its length, in 32 bits with the greatest first. */
async function readMessage(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) break;
  }
  return bytes.subarray(4, 4 + bytes.readUInt32BE());
}

function delimited(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
