import { createFileRegistry, type FileRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '@caas/proto/grpc/reflection/v1/reflection';
import { Client, Metadata } from '@grpc/grpc-js';
import type { ServiceAuth } from '../grpc/index.ts';

type Question = NonNullable<ServerReflectionRequest['messageRequest']>;

/** What grpcurl does: knows the reflection protocol and nothing else. */
export class ReflectionClient {
  readonly #client: Client;
  readonly #auth: ServiceAuth;
  readonly #callerName: string;

  constructor(address: string, auth: ServiceAuth, callerName: string) {
    this.#client = new Client(address, auth.channelCredentials);
    this.#auth = auth;
    this.#callerName = callerName;
  }

  close(): void {
    this.#client.close();
  }

  async ask(messageRequest: Question): Promise<NonNullable<ServerReflectionResponse['messageResponse']>> {
    const { path, requestSerialize, responseDeserialize } = ServerReflectionService.serverReflectionInfo;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    call.write({ host: '', messageRequest });
    call.end();
    for await (const response of call) {
      const answer = (response as ServerReflectionResponse).messageResponse;
      if (answer) return answer;
    }
    throw new Error('no answer from reflection');
  }

  async services(): Promise<string[]> {
    const response = await this.ask({ $case: 'listServices', value: '' });
    return response.$case === 'listServicesResponse' ? response.value.service.map(({ name }) => name) : [];
  }

  async describe(symbol: string): Promise<FileRegistry> {
    const response = await this.ask({ $case: 'fileContainingSymbol', value: symbol });
    if (response.$case !== 'fileDescriptorResponse') throw new Error(`no file for ${symbol}`);
    // The asked file comes first, what it imports in any order after it.
    const [asked, ...imports] = response.value.fileDescriptorProto.map((b) => fromBinary(FileDescriptorProtoSchema, b));
    const byName = new Map(imports.map((file) => [file.name, file]));
    if (!asked) throw new Error(`no file for ${symbol}`);
    return createFileRegistry(asked, (name) => byName.get(name));
  }

  async call(method: string, json: object): Promise<unknown> {
    const [serviceName = '', name = ''] = method.split('/');
    const registry = await this.describe(serviceName);
    const found = registry.getService(serviceName)?.methods.find((each) => each.name === name);
    if (!found) throw new Error(`no method ${method}`);
    const request = Buffer.from(toBinary(found.input, fromJson(found.input, json as never)));
    const metadata = new Metadata();
    this.#auth.sign(metadata, this.#callerName);
    const same = (bytes: Buffer): Buffer => bytes;
    const answer = await new Promise<Buffer>((resolve, reject) => {
      this.#client.makeUnaryRequest(`/${method}`, same, same, request, metadata, (error, bytes) =>
        bytes ? resolve(bytes) : reject(error),
      );
    });
    return toJson(found.output, fromBinary(found.output, answer));
  }
}
