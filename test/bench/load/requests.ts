import { create, toBinary } from "@bufbuild/protobuf";
import {
  EmbedRequestSchema,
  VectorEncoding,
} from "../../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { createTexts } from "../texts.js";
import type { LoadOrder } from "./order.js";

/** Made before the clock runs. A load that needs more makes them as it goes. */
const textsAhead = 20_000;

/** A source of ready request bytes. */
export function createRequests(order: LoadOrder): () => Buffer {
  const { protocol, textsPerCall, distinctTexts } = order;
  const text = createTexts(order.seed, order.lengths);
  const toBytes = protocol === "http" ? toHttp1(order.url) : toGrpc;
  const make = () => toBytes(Array.from({ length: textsPerCall }, text));
  const count = Math.ceil((distinctTexts ?? textsAhead) / textsPerCall);
  const ready = Array.from({ length: count }, make);
  let next = 0;
  return () => {
    if (next === count && distinctTexts !== undefined) next = 0;
    const request = ready[next];
    next += 1;
    return request ?? make();
  };
}

function toHttp1(url: string): (inputs: readonly string[]) => Buffer {
  const { host, pathname } = new URL(url);
  return (inputs) => {
    const body = JSON.stringify({ inputs });
    const head =
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return Buffer.from(head + body);
  };
}

/** A gRPC frame: not compressed, the length, the message. */
function toGrpc(inputs: readonly string[]): Buffer {
  const encoding = VectorEncoding.FLOAT32_LE;
  const message = toBinary(
    EmbedRequestSchema,
    create(EmbedRequestSchema, { inputs: [...inputs], encoding }),
  );
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}
