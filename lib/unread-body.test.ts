import { equal } from "node:assert/strict";
import { once } from "node:events";
import { connect, constants, createServer } from "node:http2";
import { test } from "node:test";
import { FakeClock } from "./fake-clock.js";
import { dropUnread, unreadMsMax } from "./unread-body.js";

test("a stream whose answer is complete is closed when its caller goes on sending", async () => {
  const clock = new FakeClock();
  const server = createServer((request, response) => {
    dropUnread(request, response, clock);
    response.end("refused");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const stream = session.request({ ":method": "POST", ":path": "/" });
    // More than the window of the stream: it is all taken in.
    stream.write(Buffer.alloc(1_000_000));
    stream.resume();
    await once(stream, "end");
    await new Promise((resolve) => stream.write("more", resolve));
    equal(stream.closed, false);
    const closed = once(stream, "close");
    await clock.moveTo(unreadMsMax);
    await closed;
    equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  } finally {
    session.destroy();
    server.close();
  }
});
