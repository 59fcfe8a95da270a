import type { Model } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { CallContext } from "../../lib/rpc/call.js";

/** The models that inference serves, as the gateway knows them. */
export interface ModelDirectory {
  /** The version that a request means: by number, by label, or, when empty, by the routes. Rejects with `not_found`. */
  resolve(name: string, version: string, context: CallContext): Promise<Model>;
  /** Every version that serves; the default one first. */
  list(context: CallContext): Promise<readonly Model[]>;
}
