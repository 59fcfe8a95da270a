import type { Server } from "node:net";
import { promisify } from "node:util";
import type { Registry } from "prom-client";
import { registerNumber } from "./register.js";

/** Open sockets of the process's port, whatever they speak; the server counts them anyway. */
export function observeConnections(registry: Registry, server: Server): void {
  const count = promisify(server.getConnections.bind(server));
  registerNumber(registry, {
    name: "arrowmesh_active_connections",
    help: "Open connections of the port.",
    type: "gauge",
    read: () => count(),
  });
}
