import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { GRPCInferenceService } from "../../gen/inference/grpc_service_pb.js";
import { Embed } from "../../gen/tei/v1/tei_pb.js";

/** One way to ask the mesh for the vector of a text. */
export interface TracedProtocol {
  readonly name: string;
  /** What the outermost span is called. */
  readonly spanName: string;
  /** Resolves when there is an answer, and rejects when there is none or it is an error. */
  send(text: string, headers: Readonly<Record<string, string>>): Promise<void>;
}

const callMsMax = 30_000;
const model = "all-MiniLM-L6-v2";

/** Every protocol of the public port, unary and streaming. */
export function tracedProtocols(url: string): readonly TracedProtocol[] {
  const baseUrl = url;
  const grpc = createGrpcTransport({ baseUrl });
  return [
    http("HTTP+JSON", url, "/embed", (text) => ({ inputs: text })),
    http("TEI's embed_all", url, "/embed_all", (text) => ({ inputs: text })),
    http("OpenAI", url, "/v1/embeddings", (text) => ({ input: text, model })),
    http("OIP REST", url, `/v2/models/${model}/infer`, tensorOf),
    unary("Connect", createConnectTransport({ baseUrl, httpVersion: "1.1" })),
    unary("gRPC", grpc),
    unary("gRPC-Web", createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
    stream("gRPC stream", grpc),
    tei("tei.v1 gRPC", grpc),
    oip("OIP gRPC", grpc),
  ];
}

function http(
  name: string,
  url: string,
  path: string,
  bodyOf: (text: string) => unknown,
): TracedProtocol {
  return {
    name,
    // The routes below a model are one of the HTTP server.
    spanName: `POST ${path.replace(/\/all-.*/, "/*")}`,
    async send(text, headers) {
      const response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(bodyOf(text)),
        signal: AbortSignal.timeout(callMsMax),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`${name}: ${response.status} ${answer.slice(0, 200)}`);
    },
  };
}

function unary(name: string, transport: Transport): TracedProtocol {
  const client = createClient(GatewayService, transport);
  return {
    name,
    spanName: "arrowmesh.gateway.v1.GatewayService/Embed",
    async send(text, headers) {
      await client.embed({ inputs: [text] }, { headers, timeoutMs: callMsMax });
    },
  };
}

function stream(name: string, transport: Transport): TracedProtocol {
  const client = createClient(GatewayService, transport);
  return {
    name,
    spanName: "arrowmesh.gateway.v1.GatewayService/EmbedStream",
    async send(text, headers) {
      async function* inputs() {
        yield { input: text };
        yield { input: `${text}, and one more` };
      }
      for await (const answer of client.embedStream(inputs(), { headers, timeoutMs: callMsMax })) {
        if (answer.result.case === "error") throw new Error(`${name}: ${answer.result.value}`);
      }
    },
  };
}

function tei(name: string, transport: Transport): TracedProtocol {
  const client = createClient(Embed, transport);
  return {
    name,
    spanName: "tei.v1.Embed/Embed",
    async send(text, headers) {
      await client.embed({ inputs: text }, { headers, timeoutMs: callMsMax });
    },
  };
}

function oip(name: string, transport: Transport): TracedProtocol {
  const client = createClient(GRPCInferenceService, transport);
  return {
    name,
    spanName: "inference.GRPCInferenceService/ModelInfer",
    async send(text, headers) {
      const contents = { bytesContents: [Buffer.from(text)] };
      const inputs = [{ name: "text", datatype: "BYTES", shape: [1n], contents }];
      await client.modelInfer({ modelName: model, inputs }, { headers, timeoutMs: callMsMax });
    },
  };
}

function tensorOf(text: string) {
  return { inputs: [{ name: "text", datatype: "BYTES", shape: [1], data: [text] }] };
}
