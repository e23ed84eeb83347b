import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fail } from '../errors.ts';
import { createLogger } from '../log.ts';
import { ReflectionClient } from '../testing/reflection-client.ts';
import { createGrpcServer, type GrpcServer, service, sharedTokenAuth } from './index.ts';

const auth = sharedTokenAuth({ token: 'shared' });
const never = async (): Promise<never> => fail('UNIMPLEMENTED', 'not in this test');

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
    client = new ReflectionClient(server.address, auth, 'gateway');
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
