import {
  RepositoryService,
  VersionState as State,
} from "../../gen/arrowmesh/inference/v1/repository_pb.js";
import { MeshError } from "../../lib/errors.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import type { InferenceConfig } from "./config.js";
import type { Repository } from "./models/repository.js";
import type { VersionState, VersionStatus } from "./models/served-model.js";

const stateOf: Readonly<Record<VersionState, State>> = {
  loading: State.LOADING,
  ready: State.READY,
  unloading: State.UNLOADING,
  unavailable: State.UNAVAILABLE,
};

/** Models come, go and are routed by calls. */
export function createRepositoryService(
  { isControlAllowed }: Pick<InferenceConfig, "isControlAllowed">,
  repository: Repository,
): Binding {
  const requireControl = (): void => {
    if (isControlAllowed) return;
    throw new MeshError("forbidden", "models cannot be changed here (MODEL_CONTROL=none)");
  };
  const toMessage = ({ state, ...said }: VersionStatus) => ({ ...said, state: stateOf[state] });

  return bind(RepositoryService, {
    listVersions: () => ({ versions: repository.versions().map(toMessage) }),

    async loadModel({ model }) {
      requireControl();
      await repository.load(model);
      const { name } = repository.resolve(model, "");
      const versions = repository.versions().filter((version) => version.model === name);
      return { versions: versions.map(toMessage) };
    },

    async unloadModel({ model }) {
      requireControl();
      await repository.unload(model);
      return {};
    },

    routeModel({ model, routes }) {
      requireControl();
      validateRoutes(routes);
      repository.route(
        model,
        routes.map(({ version, weight, label }) => ({
          version,
          weight,
          label: label === "" ? undefined : label,
        })),
      );
      return {};
    },
  });
}

const labelPattern = /^(?!\d+$)[A-Za-z0-9][\w.-]{0,63}$/;

function validateRoutes(
  routes: readonly { readonly weight: number; readonly label: string; readonly version: string }[],
): void {
  const labels = routes.map(({ label }) => label).filter((label) => label !== "");
  const versions = routes.map(({ version }) => version);
  if (!routes.some(({ weight }) => weight > 0)) throw refusal("expected a weight above 0");
  if (labels.some((label) => !labelPattern.test(label))) {
    throw refusal("a label is letters, digits, `_`, `.`, `-`, and not a number");
  }
  if (new Set(labels).size < labels.length) throw refusal("a label is there twice");
  if (new Set(versions).size < versions.length) throw refusal("a version has two routes");
}

function refusal(reason: string): MeshError {
  return new MeshError("invalid", reason, {
    fields: [{ field: "routes", description: reason }],
  });
}
