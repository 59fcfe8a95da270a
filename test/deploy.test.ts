import { deepEqual, equal, match, ok } from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { packageRoot } from "../lib/package-root.js";
import { gatewaySchema } from "../services/gateway/config.js";
import { inferenceSchema } from "../services/inference/config.js";
import { ratelimitSchema } from "../services/ratelimit/config.js";
import { tokenizerSchema } from "../services/tokenizer/config.js";
import { run } from "./support/programs.js";

const schemas = {
  gateway: gatewaySchema,
  inference: inferenceSchema,
  ratelimit: ratelimitSchema,
  tokenizer: tokenizerSchema,
};
type Role = keyof typeof schemas;
const roles = Object.keys(schemas) as Role[]; // The keys of an object literal are exactly its type's.

test("compose runs the four roles and Redis, each role by its own command", () => {
  const { services } = compose();
  deepEqual(Object.keys(services).sort(), [...roles, "redis"].sort());
  for (const role of roles) deepEqual(services[role]?.command, ["serve", role]);
});

test("compose gives each role the port and the health check of its schema", () => {
  for (const role of roles) {
    const { port } = schemas[role];
    const service = compose().services[role];
    equal(service?.environment?.[port.env], String(port.fallback));
    match(service?.healthcheck?.test?.join(" ") ?? "", new RegExp(`:${port.fallback}/ready'`));
  }
});

test("compose publishes nothing but the gateway, and that on loopback", () => {
  const published = Object.entries(compose().services).flatMap(([name, { ports = [] }]) =>
    ports.map((port) => `${name} ${port}`),
  );
  const { fallback } = gatewaySchema.port;
  deepEqual(published, [`gateway 127.0.0.1:${fallback}:${fallback}`]);
});

test("compose waits longer for a stop than a role does for its drain", () => {
  for (const role of roles) {
    const service = compose().services[role];
    ok(
      Number.parseInt(service?.stop_grace_period ?? "", 10) * 1_000 > drainMs(service?.environment),
    );
  }
});

test("every manifest is named in the kustomization, and each role has one Deployment", () => {
  const files = readdirSync(join(packageRoot, "deploy/k8s")).filter(
    (name) => name !== "kustomization.yaml",
  );
  deepEqual(documents("k8s/kustomization.yaml")[0]?.resources?.slice().sort(), files.sort());
  const deployments = manifests().filter(({ kind }) => kind === "Deployment");
  deepEqual(deployments.map(({ metadata }) => metadata.name).sort(), roles);
});

test("a pod listens on the port of its schema and its Service offers the same", () => {
  for (const role of roles) {
    const { port } = schemas[role];
    const { container } = deployment(role);
    deepEqual(container.args, ["serve", role]);
    equal(container.ports[0]?.containerPort, port.fallback);
    equal(variables(container)[port.env], String(port.fallback));
    const service = manifest("Service", role);
    equal(service.spec.ports?.[0]?.port, port.fallback);
    equal(service.spec.clusterIP, role === "gateway" ? undefined : "None", `${role} is headless`);
  }
});

test("the gateway's addresses are the other roles' names and ports", () => {
  const environments = [
    compose().services.gateway?.environment ?? {},
    variables(deployment("gateway").container),
  ];
  for (const environment of environments) {
    for (const role of ["inference", "ratelimit", "tokenizer"] as const) {
      const { env } = gatewaySchema[`${role}Address`];
      equal(environment[env], `dns:///${role}:${schemas[role].port.fallback}`);
    }
  }
});

test("every Deployment is probed, confined, spread and kept through a disruption", () => {
  for (const role of roles) {
    const { pod, container } = deployment(role);
    deepEqual(container.livenessProbe.httpGet, { path: "/health", port: "rpc" });
    deepEqual(container.readinessProbe.httpGet, { path: "/ready", port: "rpc" });
    equal(pod.enableServiceLinks, false);
    equal(pod.securityContext.runAsNonRoot, true);
    equal(container.securityContext.readOnlyRootFilesystem, true);
    equal(container.securityContext.allowPrivilegeEscalation, false);
    deepEqual(container.securityContext.capabilities, { drop: ["ALL"] });
    equal(pod.topologySpreadConstraints?.length, 1);
    equal(manifest("PodDisruptionBudget", role).spec.maxUnavailable, 1);
  }
});

test("a pod has time for its pause and its drain before it is killed", () => {
  for (const role of roles) {
    const { pod, container } = deployment(role);
    const pauseMs = container.lifecycle.preStop.sleep.seconds * 1_000;
    ok(pod.terminationGracePeriodSeconds * 1_000 > pauseMs + drainMs(variables(container)));
  }
});

test("every variable that deploy/ sets is a field of some schema", () => {
  const set = [
    ...roles.flatMap((role) => Object.keys(compose().services[role]?.environment ?? {})),
    ...roles.flatMap((role) => Object.keys(variables(deployment(role).container))),
    ...[...text("Dockerfile").matchAll(/^ENV (\w+)=/gm)].map(([, name]) => name ?? ""),
  ];
  const known = new Set(["lib", "services"].flatMap(fieldsUnder));
  deepEqual(
    [...new Set(set)].filter((name) => !known.has(name) && !name.startsWith("OTEL_")),
    [],
  );
});

test("what the Dockerfile copies exists and reaches the builder", () => {
  const ignored = readFileSync(join(packageRoot, ".dockerignore"), "utf8").split("\n");
  const copies = [...text("Dockerfile").matchAll(/^COPY (?!--from)(.+)$/gm)];
  const sources = copies.flatMap(([, words]) => words?.split(/\s+/).slice(0, -1) ?? []);
  ok(sources.length > 0);
  for (const source of sources) {
    ok(existsSync(join(packageRoot, source)), `${source} is missing`);
    ok(ignored.includes(`!${source.replace(/^\.\//, "")}`), `${source} is ignored`);
  }
});

type Environment = Readonly<Record<string, string | null>>;

/** What these checks read of a compose file. */
interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
}

interface ComposeService {
  readonly command?: readonly string[];
  readonly environment?: Environment;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly ports?: readonly string[];
  readonly stop_grace_period?: string;
}

/** What these checks read of a manifest; one that lacks a part makes its check throw, which is a failure too. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly resources?: readonly string[];
  readonly spec: {
    readonly clusterIP?: string;
    readonly maxUnavailable?: number;
    readonly ports?: readonly { readonly port: number }[];
    readonly template?: { readonly spec: Pod };
  };
}

interface Pod {
  readonly enableServiceLinks: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly topologySpreadConstraints?: readonly unknown[];
  readonly securityContext: { readonly runAsNonRoot: boolean };
  readonly containers: readonly Container[];
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly livenessProbe: { readonly httpGet: unknown };
  readonly readinessProbe: { readonly httpGet: unknown };
  readonly ports: readonly { readonly containerPort: number }[];
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: unknown;
  };
}

function text(path: string): string {
  return readFileSync(join(packageRoot, "deploy", path), "utf8");
}

function documents(path: string): Manifest[] {
  return parseAllDocuments(text(path)).map((document) => {
    deepEqual(document.errors, [], path);
    return document.toJS();
  });
}

function compose(): Compose {
  const [document] = parseAllDocuments(text("compose.yaml"), { merge: true });
  deepEqual(document?.errors, []);
  return document?.toJS();
}

function manifests(): Manifest[] {
  return readdirSync(join(packageRoot, "deploy/k8s")).flatMap((name) => documents(`k8s/${name}`));
}

function manifest(kind: string, name: string): Manifest {
  const found = manifests().find((one) => one.kind === kind && one.metadata.name === name);
  ok(found, `${kind} ${name} is missing`);
  return found;
}

function deployment(role: Role): { readonly pod: Pod; readonly container: Container } {
  const pod = manifest("Deployment", role).spec.template?.spec;
  const container = pod?.containers[0];
  ok(pod && container);
  return { pod, container };
}

function variables({ env }: Container): Environment {
  return Object.fromEntries(env.map(({ name, value }) => [name, value]));
}

function drainMs(environment: Environment | undefined): number {
  const drain = Number(environment?.SHUTDOWN_TIMEOUT_MS);
  ok(drain > 0, "SHUTDOWN_TIMEOUT_MS is not set");
  return drain;
}

/** The variables named by the schemas of a folder, read from the source so that none needs to be listed here. */
function fieldsUnder(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(join(packageRoot, folder, path), "utf8"))
    .flatMap((source) => [...source.matchAll(/\benv: "(\w+)"/g)].map(([, name]) => name ?? ""));
}

test("gateway and ratelimit start without the optional packages, as in the small image", async () => {
  const hook =
    "export async function resolve(name, context, next) {" +
    " if (['tokenizers', 'onnxruntime-node'].includes(name)) throw new Error(name + ' is absent');" +
    " return next(name, context); }";
  const register = `import { register } from "node:module"; register(${JSON.stringify(toDataUrl(hook))});`;
  for (const role of ["gateway", "ratelimit"]) {
    const args = [
      "--import",
      toDataUrl(register),
      "dist/services/main.js",
      "serve",
      role,
      "--help",
    ];
    const { code, stderr } = await run(process.execPath, args, { cwd: packageRoot });
    equal(code, 0, stderr);
  }
});

function toDataUrl(script: string): string {
  return `data:text/javascript,${encodeURIComponent(script)}`;
}
