import { createFileRegistry, type FileRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '@caas/proto/grpc/reflection/v1/reflection';
import { Client, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fail } from '../errors.ts';
import { createLogger } from '../log.ts';
import { createGrpcServer, type GrpcServer, service, sharedTokenAuth } from './index.ts';

const auth = sharedTokenAuth({ token: 'shared' });
const never = async (): Promise<never> => fail('UNIMPLEMENTED', 'not in this test');
type Question = NonNullable<ServerReflectionRequest['messageRequest']>;

/** What grpcurl does: knows the reflection protocol and nothing else. */
class ReflectionClient {
  readonly #client: Client;
  constructor(address: string) {
    this.#client = new Client(address, auth.channelCredentials);
  }
  close(): void {
    this.#client.close();
  }

  async ask(messageRequest: Question): Promise<NonNullable<ServerReflectionResponse['messageResponse']>> {
    const { path, requestSerialize, responseDeserialize } = ServerReflectionService.serverReflectionInfo;
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    call.write({ host: '', messageRequest });
    call.end();
    for await (const response of call) return (response as ServerReflectionResponse).messageResponse ?? never();
    return never();
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
    return createFileRegistry(asked ?? (await never()), (name) => byName.get(name));
  }

  async call(method: string, json: object): Promise<unknown> {
    const [serviceName = '', name = ''] = method.split('/');
    const registry = await this.describe(serviceName);
    const found = registry.getService(serviceName)?.methods.find((each) => each.name === name);
    if (!found) throw new Error(`no method ${method}`);
    const request = Buffer.from(toBinary(found.input, fromJson(found.input, json as never)));
    const metadata = new Metadata();
    auth.sign(metadata, 'gateway');
    const same = (bytes: Buffer): Buffer => bytes;
    const answer = await new Promise<Buffer>((resolve, reject) => {
      this.#client.makeUnaryRequest(`/${method}`, same, same, request, metadata, (error, bytes) =>
        bytes ? resolve(bytes) : reject(error),
      );
    });
    return toJson(found.output, fromBinary(found.output, answer));
  }
}

describe('reflection, with no proto files', () => {
  let server: GrpcServer;
  let client: ReflectionClient;
  beforeAll(async () => {
    server = await createGrpcServer({
      name: 'auth',
      address: '127.0.0.1:0',
      services: [
        service(TokenServiceService, {
          issueUserToken: never,
          refreshToken: never,
          rotateKey: never,
          getKeys: never,
          verifyTokens: async ({ accessTokens }) => ({
            verdicts: accessTokens.map(() => ({ verdict: { $case: 'refused', value: 7 } as const })),
          }),
        }),
      ],
      auth,
      logger: createLogger({ service: 'test', level: 'silent' }),
    });
    client = new ReflectionClient(server.address);
  });
  afterAll(async () => {
    client.close();
    await server.stop(100);
  });

  test('lists the services, health and itself included', async () => {
    expect(await client.services()).toEqual([
      'caas.auth.v1.TokenService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ]);
  });

  test('describes a service with all it needs, its options too', async () => {
    const registry = await client.describe('caas.auth.v1.TokenService.VerifyTokens');
    expect(registry.getService('caas.auth.v1.TokenService')?.methods.map(({ name }) => name)).toContain('VerifyTokens');
    expect(registry.getExtension('caas.common.v1.rule')?.number).toBe(50501);
    expect(
      (await client.describe('grpc.health.v1.Health')).getMessage('grpc.health.v1.HealthCheckRequest'),
    ).toBeDefined();
  });

  test('lets a client call a method it has never seen', async () => {
    expect(await client.call('caas.auth.v1.TokenService/VerifyTokens', { access_tokens: ['x', 'y'] })).toEqual({
      verdicts: [{ refused: 'ERROR_REASON_TOKEN_EXPIRED' }, { refused: 'ERROR_REASON_TOKEN_EXPIRED' }],
    });
  });

  test('finds files by name and by extension, and says so when there is nothing', async () => {
    const byName = await client.ask({ $case: 'fileByFilename', value: 'caas/common/v1/errors.proto' });
    expect(byName.$case).toBe('fileDescriptorResponse');
    const containingType = 'google.protobuf.MethodOptions';
    const extension = { containingType, extensionNumber: 50501 };
    expect((await client.ask({ $case: 'fileContainingExtension', value: extension })).$case).toBe(
      'fileDescriptorResponse',
    );
    expect(await client.ask({ $case: 'allExtensionNumbersOfType', value: containingType })).toEqual({
      $case: 'allExtensionNumbersResponse',
      value: { baseTypeName: containingType, extensionNumber: [50501] },
    });
    expect(await client.ask({ $case: 'fileContainingSymbol', value: 'nobody.v1.Nothing' })).toMatchObject({
      $case: 'errorResponse',
      value: { errorCode: 5 },
    });
  });
});
