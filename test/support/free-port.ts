import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Where ports are looked for: below the 32,768 where Linux begins to number outgoing connections, so
 * that a caller that connects meanwhile cannot take one. A node of Redis Cluster also listens
 * 10,000 above its port. None is among those that `fetch` refuses to connect to.
 */
const firstPort = 11_000;
const endPort = 22_000;
/** A machine where so many in turn are taken is not fit to run tests. */
const attemptsMax = 100;

/** Given by this process before: whoever asked may not listen yet. */
const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on with TCP, and that this process gave to no one else. */
export async function freePort(): Promise<number> {
  return await firstFree((port) => createServer().listen(port, "127.0.0.1"));
}

/** The same for UDP. */
export async function freeUdpPort(): Promise<number> {
  return await firstFree((port) => createSocket("udp4").bind(port, "127.0.0.1"));
}

async function firstFree(listen: (port: number) => Server | Socket): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = randomInt(firstPort, endPort);
    if (given.has(port)) continue;
    given.add(port);
    if (await hasListened(listen(port))) return port;
  }
  throw new Error(`no free port between ${firstPort} and ${endPort}`);
}

/** Whether the port could be had; it is left again. */
async function hasListened(listener: Server | Socket): Promise<boolean> {
  const listens = await once(listener, "listening").then(
    () => true,
    () => false,
  );
  const closed = once(listener, "close");
  listener.close();
  await closed;
  return listens;
}
