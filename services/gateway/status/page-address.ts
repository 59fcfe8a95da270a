import type { IncomingMessage } from "node:http";

/**
 * The path under which a request is answered: a browser that goes to `/status` gets the page, for which nobody needs a
 * key; everybody else gets the numbers.
 */
export function rewriteToPage({ url = "/", headers }: Pick<IncomingMessage, "url" | "headers">) {
  const isStatus = url === "/status" || url.startsWith("/status?") || url === "/status/";
  return isStatus && headers.accept?.includes("text/html") ? "/status/page" : url;
}
