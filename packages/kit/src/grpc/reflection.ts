import { type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { descriptors } from '@caas/proto/descriptor';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '@caas/proto/grpc/reflection/v1/reflection';
import { status } from '@grpc/grpc-js';
import { type ServiceBinding, service } from './service.ts';

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

const notFound = (what: string): Answer => ({
  $case: 'errorResponse',
  value: { errorCode: status.NOT_FOUND, errorMessage: `${what} not found` },
});

/** The file and all it imports, so that a client can link it without asking again. */
const withImports = (file: DescFile, seen = new Set<DescFile>()): Set<DescFile> => {
  if (!seen.has(file)) {
    seen.add(file);
    for (const imported of file.dependencies) withImports(imported, seen);
  }
  return seen;
};

const files = (file: DescFile | undefined, asked: string): Answer =>
  file
    ? {
        $case: 'fileDescriptorResponse',
        value: {
          fileDescriptorProto: [...withImports(file)].map((each) =>
            Buffer.from(toBinary(FileDescriptorProtoSchema, each.proto)),
          ),
        },
      }
    : notFound(asked);

/** File of a symbol; methods, fields and enum values are found through what declares them. */
const fileOfSymbol = (symbol: string): DescFile | undefined => {
  for (let name = symbol; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const found = descriptors().get(name);
    if (found) return found.file;
  }
  return undefined;
};

const extensionsOf = (typeName: string) =>
  [...descriptors()].filter((desc) => desc.kind === 'extension' && desc.extendee.typeName === typeName);

const answer = (request: ServerReflectionRequest['messageRequest'], serviceNames: readonly string[]): Answer => {
  switch (request?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: serviceNames.map((name) => ({ name })) } };
    case 'fileByFilename':
      return files(descriptors().getFile(request.value), request.value);
    case 'fileContainingSymbol':
      return files(fileOfSymbol(request.value), request.value);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = request.value;
      const found = extensionsOf(containingType).find(
        (desc) => desc.kind === 'extension' && desc.number === extensionNumber,
      );
      return files(found?.kind === 'extension' ? found.file : undefined, `${containingType}/${extensionNumber}`);
    }
    case 'allExtensionNumbersOfType': {
      const numbers = extensionsOf(request.value).flatMap((desc) => (desc.kind === 'extension' ? [desc.number] : []));
      return {
        $case: 'allExtensionNumbersResponse',
        value: { baseTypeName: request.value, extensionNumber: numbers },
      };
    }
    default:
      return {
        $case: 'errorResponse',
        value: { errorCode: status.INVALID_ARGUMENT, errorMessage: 'no question asked' },
      };
  }
};

async function* answers(
  requests: AsyncIterable<ServerReflectionRequest>,
  serviceNames: readonly string[],
): AsyncIterable<ServerReflectionResponse> {
  for await (const request of requests) {
    yield {
      validHost: request.host,
      originalRequest: request,
      messageResponse: answer(request.messageRequest, serviceNames),
    };
  }
}

/** gRPC reflection v1 over the committed descriptor image, custom options included. */
export const reflection = (serviceNames: readonly string[]): ServiceBinding =>
  service(ServerReflectionService, { serverReflectionInfo: (requests) => answers(requests, serviceNames) });
