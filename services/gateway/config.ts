import { type ConfigOf, flag, integer, list, secret, text } from "../../lib/config.js";
import { networks } from "./trusted-proxies.js";

/** Names a tier of callers, which the limits' policy gives a meaning. */
const tier = text().regex(/^[\w.-]{1,64}$/, "expected 1..64 letters, digits, _, . and -");

/** An address that a link may lead to. */
const webAddress = text().refine(
  (url) => /^https?:\/\//i.test(url) && URL.canParse(url),
  "expected an http or https URL",
);

export const gatewaySchema = {
  port: {
    env: "PORT",
    doc: "the public port: HTTP/1.1 and HTTP/2, in cleartext or by TLS",
    parse: integer({ min: 0, max: 65_535 }),
    fallback: 8_080,
  },
  tlsCertFile: {
    env: "TLS_CERT_FILE",
    doc: "PEM file of the public port's certificate, with those in between; unset: cleartext",
    parse: text(),
    fallback: undefined,
  },
  tlsKeyFile: {
    env: "TLS_KEY_FILE",
    doc: "PEM file of its private key",
    parse: text(),
    fallback: undefined,
  },
  tlsClientCaFile: {
    env: "TLS_CLIENT_CA_FILE",
    doc: "PEM file of authorities; callers must show a certificate that one of them has signed",
    parse: text(),
    fallback: undefined,
  },
  isPublicAllowed: {
    env: "ALLOW_PUBLIC_WITHOUT_AUTHENTICATION",
    doc: "serve an address other than loopback although there is no API_KEY",
    parse: flag(),
    fallback: false,
  },
  apiKey: {
    env: "API_KEY",
    doc: "key that callers show as `Authorization: Bearer KEY`; unset: nobody has to",
    parse: secret(),
    fallback: undefined,
  },
  apiKeyTier: {
    env: "API_KEY_TIER",
    doc: "tier, in the limits' policy, of callers who show the key; unset: none",
    parse: tier,
    fallback: undefined,
  },
  anonymousTier: {
    env: "ANONYMOUS_TIER",
    doc: "tier of callers who show no key, where nobody has to; unset: none",
    parse: tier,
    fallback: undefined,
  },
  trustedProxies: {
    env: "TRUSTED_PROXIES",
    doc: "addresses and networks of proxies whose X-Forwarded-For names the caller, comma-separated; unset: nobody is believed",
    parse: networks(),
    fallback: undefined,
  },
  tokenizerAddress: {
    env: "TOKENIZER_ADDRESS",
    doc: "gRPC target of the tokenizer; unset: in this process, or 127.0.0.1:50051 for a gateway alone",
    parse: text(),
    fallback: undefined,
  },
  inferenceAddress: {
    env: "INFERENCE_ADDRESS",
    doc: "gRPC target of inference; unset: in this process, or 127.0.0.1:50052 for a gateway alone",
    parse: text(),
    fallback: undefined,
  },
  ratelimitAddress: {
    env: "RATELIMIT_ADDRESS",
    doc: "gRPC target of ratelimit; unset: in this process, or 127.0.0.1:50053 for a gateway alone",
    parse: text(),
    fallback: undefined,
  },
  bodyBytesMax: {
    env: "BODY_BYTES_MAX",
    doc: "bytes of one request body or message",
    parse: integer({ min: 1_024, max: 1 << 30 }),
    fallback: 2_000_000,
  },
  nativeInputsMax: {
    env: "CLIENT_BATCH_MAX",
    doc: "inputs of one request on the routes of text-embeddings-inference",
    parse: integer({ min: 1, max: 2_048 }),
    fallback: 32,
  },
  truncate: {
    env: "TRUNCATE",
    doc: "what /info says of the tokenizer's setting of this name",
    parse: flag(),
    fallback: true,
  },
  inputsMax: {
    env: "INPUTS_MAX",
    doc: "inputs of one request on OpenAI's routes and of one Embed call",
    parse: integer({ min: 1, max: 2_048 }),
    fallback: 2_048,
  },
  admittedInputsMax: {
    env: "ADMITTED_INPUTS_MAX",
    doc: "inputs in work at which requests are refused as overload",
    parse: integer({ min: 1, max: 65_536 }),
    fallback: 512,
  },
  cacheBytesMax: {
    env: "CACHE_BYTES",
    doc: "bytes of vectors that are remembered; 0: none",
    parse: integer({ min: 0, max: 2 ** 40 }),
    fallback: 64_000_000,
  },
  streamWindow: {
    env: "STREAM_WINDOW",
    doc: "messages of one stream in work at once",
    parse: integer({ min: 1, max: 512 }),
    fallback: 64,
  },
  reservationMs: {
    env: "RESERVATION_MS",
    doc: "milliseconds after which tokens reserved by a gateway that died come back",
    parse: integer({ min: 1_000, max: 600_000 }),
    fallback: 60_000,
  },
  areCachedTokensCharged: {
    env: "CACHED_TOKENS_ARE_CHARGED",
    doc: "whether limits on tokens count inputs whose vectors were remembered, or computed for another request",
    parse: flag(),
    fallback: false,
  },
  compressBytesMin: {
    env: "COMPRESS_BYTES_MIN",
    doc: "bytes from which an answer is compressed when its caller accepts that",
    parse: integer({ min: 0, max: 1 << 30 }),
    fallback: 16_384,
  },
  corsOrigins: {
    env: "CORS_ORIGINS",
    doc: "origins of web pages that may call, comma-separated; * for any, loopback for any port of this machine",
    parse: list(),
    fallback: ["loopback"],
  },
  jaegerUiUrl: {
    env: "JAEGER_UI_URL",
    doc: "where people's browsers find Jaeger, for links from the status page to traces; unset: no links",
    parse: webAddress,
    fallback: undefined,
  },
} as const;

export type GatewayConfig = ConfigOf<typeof gatewaySchema>;
