import { newSecret } from '@caas/kit';
import { chooseServiceAuth, createGrpcClient, type GrpcClient } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import type { CommandContext, Register } from '../command.ts';
import { operatorConfig } from '../tenant/config.ts';

interface Options {
  name: string;
  origin: string[];
  app: string;
}

type Tenants = GrpcClient<typeof TenantServiceService>;

/** `caas tenant`: customers and the apps of their backends, as an operator makes them at auth, embedded or distributed. */
export const tenant: Register = (program, context) => {
  const group = program.command('tenant').description('Creates tenants and their apps; see docs/deployment.md');
  group
    .command('create <tenant_id>')
    .description('Creates a tenant with a first app, and prints the id and secret its backend trades for tokens')
    .option('--name <name>', 'for operators; default the id')
    .option('--origin <origin...>', 'origins browsers may connect from; default any', [])
    .option('--app <name>', 'name of the app', 'Backend')
    .action((tenantId: string, { name, origin, app }: Options) =>
      atAuth(async (tenants) => {
        await tenants.createTenant({ tenantId, name: name ?? tenantId, limits: undefined, allowedOrigins: origin });
        await createApp(tenants, tenantId, app, context);
      }),
    );
  group
    .command('app <tenant_id>')
    .description('Creates one more app of a tenant, and prints its id and secret')
    .option('--name <name>', 'name of the app', 'Backend')
    .action((tenantId: string, { name }: Options) => atAuth((tenants) => createApp(tenants, tenantId, name, context)));
};

const createApp = async (
  tenants: Tenants,
  tenantId: string,
  name: string,
  { print }: CommandContext,
): Promise<void> => {
  const { appId, appSecret } = await tenants.createApp({ tenantId, name });
  print(`CAAS_TENANT_ID=${tenantId}`);
  print(`CAAS_APP_ID=${appId}`);
  // Nobody can be shown it again; auth keeps its hash.
  print(`CAAS_APP_SECRET=${appSecret}`);
};

const atAuth = async (work: (tenants: Tenants) => Promise<void>): Promise<void> => {
  const { authAddress, operatorToken, tlsDir } = operatorConfig();
  const logger = createLogger({ service: 'caas', level: 'warn' });
  // The operator's own token is all that counts; the one of services is nobody's here.
  const auth = chooseServiceAuth('operator', { tlsDir, serviceToken: newSecret(), operatorToken }, logger);
  const tenants = createGrpcClient(TenantServiceService, {
    address: authAddress,
    auth,
    callerName: 'operator',
    logger,
    retry: { maxAttempts: 3, baseMs: 50, capMs: 200 },
  });
  try {
    await work(tenants);
  } finally {
    tenants.close();
  }
};
