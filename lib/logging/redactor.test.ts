import { equal } from "node:assert/strict";
import { test } from "node:test";
import { createRedactor } from "./redactor.js";

const env = {
  API_KEY: "correct horse battery",
  HF_TOKEN: "hf_0123456789",
  REDIS_URL: "redis://user:p%40ssword!@10.0.0.1:6379,redis://user:0therword@10.0.0.2:6379",
  OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20otlp-credential,x-tenant=a-tenant-1",
  OTEL_EXPORTER_OTLP_ENDPOINT: "https://someone:pass:w@rd@collector:4318",
  AWS_SECRET_ACCESS_KEY: 'quote"and\\slash',
  SHORT_KEY: "1234567",
  PORT_TOKEN: "8080808080",
  TLS_KEY_FILE: "/etc/tls/private.pem",
  TOKENIZER_CACHE_BYTES: "16000000",
  RATELIMIT_BURST_TOKENS: "200000000",
};
const redact = createRedactor(env);

for (const [secret, name] of [
  ["correct horse battery", "a key"],
  ["correct%20horse%20battery", "a key inside a URL"],
  ["hf_0123456789", "a token"],
  ["p%40ssword!", "the password of a URL"],
  ["p@ssword!", "that password as it is meant"],
  ["0therword", "the password of a second URL"],
  ["pass:w@rd", "a password with the characters of URLs"],
  ["otlp-credential", "a credential in OTLP headers"],
  ["Bearer%20otlp-credential", "such a header as a whole"],
  [JSON.stringify('quote"and\\slash').slice(1, -1), "a key as JSON writes it"],
] as const) {
  test(`keeps ${name} out of a text`, () => {
    equal(redact(`{"cause":"at ${secret}, ${secret}."}`), '{"cause":"at [secret], [secret]."}');
  });
}

for (const text of [
  '{"port":8080808080,"bytes":16000000,"burst":200000000,"short":1234567}',
  "cannot read /etc/tls/private.pem",
  "redis://user:[secret]@10.0.0.1:6379",
]) {
  test(`leaves alone what is none: ${text}`, () => {
    equal(redact(text), text);
  });
}

test("of two secrets, one within the other, nothing is left", () => {
  const both = createRedactor({ A_KEY: "password", B_KEY: "password-of-production" });
  equal(both("password-of-production, password"), "[secret], [secret]");
});

test("without secrets there is nothing to look for", () => {
  equal(createRedactor({ PATH: "/bin" })("text"), "text");
});
