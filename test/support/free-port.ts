import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

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
  return await firstFree(listensOnTcp);
}

/** The same for UDP. */
export async function freeUdpPort(): Promise<number> {
  return await firstFree(listensOnUdp);
}

async function firstFree(canListen: (port: number) => Promise<boolean>): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = randomInt(firstPort, endPort);
    if (given.has(port)) continue;
    given.add(port);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port between ${firstPort} and ${endPort}`);
}

async function listensOnTcp(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}

async function listensOnUdp(port: number): Promise<boolean> {
  const socket = createSocket("udp4").bind(port, "127.0.0.1");
  try {
    await once(socket, "listening");
  } catch {
    socket.close();
    return false;
  }
  socket.close();
  await once(socket, "close");
  return true;
}
