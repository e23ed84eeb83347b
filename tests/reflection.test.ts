import { sharedTokenAuth } from '@caas/kit/grpc';
import { ReflectionClient } from '@caas/kit/testing';
import { expect, test } from '@jest/globals';
import { testPlatform } from './support/platform.ts';

test('auth of a running platform tells what it serves and is called with no proto files', async () => {
  const operatorToken = 'operator-of-the-reflection-test';
  const platform = await testPlatform({ operatorToken });
  const auth = sharedTokenAuth({ token: 'not-the-one-of-the-services', operatorToken });
  const client = new ReflectionClient(platform.authAddress, auth, 'operator');
  try {
    expect(await client.services()).toEqual(
      expect.arrayContaining([
        'caas.auth.v1.TokenService',
        'caas.auth.v1.SessionService',
        'caas.auth.v1.TenantService',
      ]),
    );
    const methods = (await client.describe('caas.auth.v1.TenantService')).getService(
      'caas.auth.v1.TenantService',
    )?.methods;
    expect(methods?.map(({ name }) => name)).toEqual(['CreateTenant', 'CreateApp', 'RotateAppSecret']);
    const keys = (await client.call('caas.auth.v1.TokenService/GetKeys', {})) as { jwksJson: string };
    expect(JSON.parse(keys.jwksJson).keys[0]).toMatchObject({ kty: 'OKP', crv: 'Ed25519' });
    const created = await client.call('caas.auth.v1.TenantService/CreateTenant', { tenant_id: 'acme', name: 'Acme' });
    expect(created).toMatchObject({ tenant: { tenantId: 'acme', name: 'Acme' } });
    expect(await client.call('grpc.health.v1.Health/Check', {})).toEqual({ status: 'SERVING' });
  } finally {
    client.close();
    await platform.stop();
  }
});
