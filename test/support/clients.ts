import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";

/** The same public port in every protocol that Connect's clients speak. */
export function transportsOf(baseUrl: string): Readonly<Record<string, Transport>> {
  return {
    "Connect with JSON over HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    "Connect with Protobuf over HTTP/2": createConnectTransport({
      baseUrl,
      httpVersion: "2",
      useBinaryFormat: true,
    }),
    "Connect by GET": createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
    gRPC: createGrpcTransport({ baseUrl }),
    "gRPC-Web over HTTP/1.1": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  };
}

export function gatewayOf(transport: Transport) {
  return createClient(GatewayService, transport);
}

/** Any service of any role, over gRPC. */
export function grpcClientOf<S extends DescService>(service: S, baseUrl: string): Client<S> {
  return createClient(service, createGrpcTransport({ baseUrl }));
}

/** POSTs a body as it is, or a value as JSON. */
export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; headers: Headers; json: unknown }> {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: isRaw ? (body as string) : JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: JSON.parse(text) };
}
