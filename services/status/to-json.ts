import { type JsonObject, toJson } from "@bufbuild/protobuf";
import {
  type GetStatusResponse,
  GetStatusResponseSchema,
} from "../../gen/arrowmesh/status/v1/status_pb.js";

/** A status as `GET /status` answers it: with every field that has a meaning, zero or not. */
export function toStatusJson(response: GetStatusResponse): JsonObject {
  // A message becomes an object, whose type the general function does not know.
  return toJson(GetStatusResponseSchema, response, { alwaysEmitImplicit: true }) as JsonObject;
}
