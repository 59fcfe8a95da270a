import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader } from "./answer-reader.js";

const answers =
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]" +
  "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\ndate: x\r\n\r\n{}" +
  "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";

test("answers are found wherever the network cuts them", () => {
  for (let size = 1; size < 40; size += 1) {
    const statuses: number[] = [];
    const reader = new AnswerReader((status) => statuses.push(status));
    for (const answer of answers.split(/(?=HTTP)/)) {
      const bytes = Buffer.from(answer);
      for (let from = 0; from < bytes.length; from += size) {
        reader.read(bytes.subarray(from, from + size));
      }
    }
    deepEqual(statuses, [200, 429, 204]);
  }
});

test("what it would misread is refused", () => {
  const reader = () => new AnswerReader(() => undefined);
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  throws(() => reader().read(Buffer.from(chunked)), /Content-Length/);
  throws(() => reader().read(Buffer.from(answers)), /more bytes/);
});
