import { deepEqual, equal, match, ok } from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { packageRoot } from "../lib/package-root.js";
import { gatewaySchema } from "../services/gateway/config.js";
import { inferenceSchema } from "../services/inference/config.js";
import { ratelimitSchema } from "../services/ratelimit/config.js";
import { tokenizerSchema } from "../services/tokenizer/config.js";
import { nodeOptions } from "./support/mesh-process.js";
import { run } from "./support/programs.js";

const schemas = {
  gateway: gatewaySchema,
  inference: inferenceSchema,
  ratelimit: ratelimitSchema,
  tokenizer: tokenizerSchema,
};
type Role = keyof typeof schemas;
const roles = Object.keys(schemas) as Role[]; // The keys of an object literal are exactly its type's.

/** What compose runs beside the mesh when it is asked for. */
const observers = { grafana: 3000, jaeger: 16686, prometheus: 9090 };

test("compose runs the four roles and Redis, each role by its own command", () => {
  const { services } = compose();
  const always = Object.keys(services).filter((name) => services[name]?.profiles === undefined);
  deepEqual(always.sort(), [...roles, "redis"].sort());
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

test("compose adds Prometheus, Grafana and Jaeger when asked to observe", () => {
  const { services } = compose();
  const asked = Object.keys(services).filter((name) => services[name]?.profiles !== undefined);
  deepEqual(asked.sort(), Object.keys(observers));
  for (const name of asked) deepEqual(services[name]?.profiles, ["observability"]);
});

test("compose mounts files that are there", () => {
  const mounts = Object.values(compose().services).flatMap(({ volumes = [] }) => volumes);
  const folders = mounts.map((mount) => mount.split(":")[0] ?? "").filter((one) => one[0] === ".");
  ok(folders.length > 0);
  for (const folder of folders) ok(existsSync(join(packageRoot, "deploy", folder)), folder);
  const [, config] =
    /--config\.file=\/etc\/(\S+)/.exec(String(compose().services.prometheus?.command?.[0])) ?? [];
  ok(existsSync(join(packageRoot, "deploy", config ?? "nowhere")), config);
});

test("Grafana finds what compose runs and what is mounted", () => {
  const { datasources } = grafana("datasources") as { datasources: readonly DataSource[] };
  for (const { type, url } of datasources) {
    equal(url, `http://${type}:${observers[type]}`);
  }
  const [numbers, traces] = datasources;
  deepEqual(numbers?.jsonData.exemplarTraceIdDestinations, [
    { name: "trace_id", datasourceUid: traces?.uid },
  ]);
  const { providers } = grafana("dashboards") as { providers: readonly Provider[] };
  const mounts = compose().services.grafana?.volumes ?? [];
  ok(mounts.includes(`./grafana/dashboards:${providers[0]?.options.path}:ro`));
});

test("compose publishes the gateway, and what people look at, on loopback only", () => {
  const published = Object.entries(compose().services).flatMap(([name, { ports = [] }]) =>
    ports.map((port) => `${name} ${port}`),
  );
  const expected = Object.entries({ gateway: gatewaySchema.port.fallback, ...observers });
  deepEqual(
    published.sort(),
    expected.map(([name, port]) => `${name} 127.0.0.1:${port}:${port}`).sort(),
  );
});

test("Prometheus on one machine and of compose scrapes the ports of the settings", () => {
  const ports = Object.fromEntries(roles.map((role) => [role, schemas[role].port.fallback]));
  const local = (port: number | undefined) => [`127.0.0.1:${port}`];
  deepEqual(staticTargets("one"), [["mesh", local(ports.gateway)]]);
  deepEqual(
    staticTargets("four").sort(),
    roles.map((role) => [role, local(ports[role])]),
  );
  const { scrape_configs } = prometheus("compose");
  const found = scrape_configs[0]?.dns_sd_configs?.map(({ names, port }) => [names[0], port]) ?? [];
  deepEqual(Object.fromEntries(found), ports);
});

test("a scraper may reach the internal roles, and only their port", () => {
  const { podSelector, ingress } = manifest("NetworkPolicy", "scraper").spec;
  deepEqual(podSelector?.matchExpressions?.[0]?.values.slice().sort(), [
    "inference",
    "ratelimit",
    "tokenizer",
  ]);
  deepEqual(ingress?.[0]?.ports, [{ port: "rpc" }]);
  const [from] = ingress?.[0]?.from ?? [];
  const { subjects } = manifest("RoleBinding", "scraper");
  const namespace = from?.namespaceSelector?.matchLabels["kubernetes.io/metadata.name"];
  equal(namespace, subjects?.[0]?.namespace);
});

test("the autoscaler takes over inference by the metric that the adapter serves", () => {
  const [autoscaler] = documents("k8s-autoscaled/inference.yaml");
  const [overlay] = documents("k8s-autoscaled/kustomization.yaml");
  deepEqual(overlay?.resources, ["../k8s", "inference.yaml"]);
  const { name } = manifest("Deployment", "inference").metadata;
  equal(autoscaler?.spec.scaleTargetRef?.name, name);
  const [adapter] = parseAllDocuments(text("prometheus/adapter.values.yaml"));
  const rule = ["rules", "custom", 0];
  equal(autoscaler?.spec.metrics?.[0]?.pods.metric.name, adapter?.getIn([...rule, "name", "as"]));
  match(String(adapter?.getIn([...rule, "seriesQuery"])), /^arrowmesh_inference_queue_length\{/);
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

test("npm start gives Node the image's memory options", () => {
  const { scripts } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  const options = nodeOptions.filter((option) => option.startsWith("--max-"));
  ok(options.length > 0, nodeOptions.join(" "));
  for (const option of options) ok(scripts.start.includes(` ${option} `), option);
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
  readonly profiles?: readonly string[];
  readonly stop_grace_period?: string;
  readonly volumes?: readonly string[];
}

/** What these checks read of a scrape configuration. */
interface Scraping {
  readonly scrape_configs: readonly {
    readonly static_configs?: readonly {
      readonly targets: readonly string[];
      readonly labels: { readonly service: string };
    }[];
    readonly dns_sd_configs?: readonly {
      readonly names: readonly string[];
      readonly port: number;
    }[];
  }[];
}

/** What these checks read of Grafana's provisioning. */
interface DataSource {
  readonly uid: string;
  readonly type: "jaeger" | "prometheus";
  readonly url: string;
  readonly jsonData: { readonly exemplarTraceIdDestinations?: unknown };
}

interface Provider {
  readonly options: { readonly path: string };
}

/** What these checks read of a manifest; one that lacks a part makes its check throw, which is a failure too. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly resources?: readonly string[];
  readonly subjects?: readonly { readonly namespace: string }[];
  readonly spec: {
    readonly podSelector?: {
      readonly matchExpressions?: readonly { readonly values: readonly string[] }[];
    };
    readonly ingress?: readonly {
      readonly from: readonly {
        readonly namespaceSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
      }[];
      readonly ports: unknown;
    }[];
    readonly scaleTargetRef?: { readonly name: string };
    readonly metrics?: readonly {
      readonly pods: { readonly metric: { readonly name: string } };
    }[];
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

function prometheus(kind: "one" | "four" | "compose"): Scraping {
  return parse(text(`prometheus/prometheus.${kind}.yml`));
}

function staticTargets(kind: "one" | "four"): [string, readonly string[]][] {
  const [scraping] = prometheus(kind).scrape_configs;
  const targets = scraping?.static_configs ?? [];
  return targets.map(({ labels, targets: addresses }) => [labels.service, addresses]);
}

function grafana(kind: "datasources" | "dashboards"): unknown {
  return parse(text(`grafana/provisioning/${kind}/arrowmesh.yaml`));
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
