import {
  createRegistry,
  type DescFile,
  type DescService,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.js";
import type { ServerReflectionRequest } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { type Binding, bind } from "./call.js";

/**
 * Server reflection, v1 and v1alpha, over the generated descriptors: it runs on the edge and on grpc-js alike,
 * which @grpc/reflection (grpc-js only) cannot.
 */
export function createReflection(services: readonly DescService[]): readonly Binding[] {
  const all = [...services, ServerReflection, ServerReflectionAlpha];
  const names = all.map((service) => service.typeName);
  // Clients look up the messages inside error details by the same protocol.
  const files = withImports([...all.map((service) => service.file), file_google_rpc_error_details]);
  const registry = createRegistry(...files.values());

  async function* serverReflectionInfo(requests: AsyncIterable<Question>) {
    for await (const request of requests) {
      yield {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(request.messageRequest, { names, files, registry }),
      };
    }
  }
  // The two versions differ by their package only, so one handler serves both.
  return [
    bind(ServerReflection, { serverReflectionInfo }),
    bind(ServerReflectionAlpha, { serverReflectionInfo } as never),
  ];
}

type Question = Pick<ServerReflectionRequest, "host" | "messageRequest">;

interface Known {
  readonly names: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  readonly registry: Registry;
}

function answer(question: Question["messageRequest"], { names, files, registry }: Known) {
  switch (question.case) {
    case "listServices":
      return {
        case: "listServicesResponse" as const,
        value: { service: names.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return fileAnswer(files.get(question.value.replace(/\.proto$/, "")), question.value);
    case "fileContainingSymbol":
      return fileAnswer(fileOf(registry, question.value), question.value);
    case "allExtensionNumbersOfType":
      return {
        case: "allExtensionNumbersResponse" as const,
        value: { baseTypeName: question.value, extensionNumber: [] },
      };
    default:
      return notFound(question.case === undefined ? "empty request" : "no extensions here");
  }
}

function fileAnswer(file: DescFile | undefined, asked: string) {
  if (file === undefined) return notFound(`${asked} is not known here`);
  const closure = [...withImports([file]).values()];
  return {
    case: "fileDescriptorResponse" as const,
    value: {
      fileDescriptorProto: closure.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)),
    },
  };
}

function notFound(errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode: Code.NotFound, errorMessage } };
}

/** The file of a type or service, or of the one that a method or field belongs to. */
function fileOf(registry: Registry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol) ?? registry.get(symbol.slice(0, symbol.lastIndexOf(".")));
  return found?.file;
}

/** The files and all they import, by name without `.proto`; importers first. */
function withImports(roots: readonly DescFile[]): ReadonlyMap<string, DescFile> {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file.name)) return;
    files.set(file.name, file);
    for (const imported of file.dependencies) visit(imported);
  };
  for (const root of roots) visit(root);
  return files;
}
