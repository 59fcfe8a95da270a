import { Agent, request } from "node:http";

/** POSTs a body over kept-alive connections and reads the whole answer without parsing it. */
export function createPoster(
  url: string,
  connections: number,
): { post(body: string): Promise<void>; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const post = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      };
      const sent = request(url, { agent, method: "POST", headers }, (response) => {
        response.resume();
        response.once("end", () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`status ${response.statusCode}`));
        });
      });
      sent.once("error", reject);
      sent.end(body);
    });
  return { post, close: () => agent.destroy() };
}
