import { type GetStatusResponse, StatusService } from "../../gen/arrowmesh/status/v1/status_pb.js";
import { type Binding, bind } from "../../lib/rpc/call.js";

/** What every role says of itself, in one contract. */
export function createStatusService(read: () => Promise<GetStatusResponse>): Binding {
  return bind(StatusService, { getStatus: () => read() });
}
