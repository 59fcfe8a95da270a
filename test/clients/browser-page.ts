// Runs in the browser: calls the mesh from a page of another origin and leaves the outcome on `window`.

import { type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";

export interface Outcome {
  readonly dimensions: number;
  readonly code: number;
  readonly reason: string;
}

type Gateway = Client<typeof GatewayService>;

const baseUrl = new URLSearchParams(location.search).get("mesh") ?? "";
const transports: Readonly<Record<string, Transport>> = {
  "Connect with JSON": createConnectTransport({ baseUrl }),
  "Connect with Protobuf": createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "Connect by GET": createConnectTransport({ baseUrl, useHttpGet: true }),
  "gRPC-Web": createGrpcWebTransport({ baseUrl }),
};

async function tryOut(gateway: Gateway): Promise<Outcome> {
  const { embeddings } = await gateway.embed({ inputs: ["from a browser"] });
  const dimensions = embeddings[0]?.values.length ?? 0;
  try {
    await gateway.embed({ inputs: [""] });
  } catch (error) {
    const refusal = ConnectError.from(error);
    const [info] = refusal.findDetails(ErrorInfoSchema);
    return { dimensions, code: refusal.code, reason: info?.reason ?? "" };
  }
  return { dimensions, code: 0, reason: "" };
}

async function tryAll(): Promise<Record<string, Outcome | string>> {
  const outcomes: Record<string, Outcome | string> = {};
  for (const [name, transport] of Object.entries(transports)) {
    outcomes[name] = await tryOut(createClient(GatewayService, transport)).catch(String);
  }
  return outcomes;
}

Object.assign(window, { outcomes: tryAll() });
