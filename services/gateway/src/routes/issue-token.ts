import { CaasError } from '@caas/kit';
import type { GatewayConfig } from '../config.ts';
import { socketConnectionGuide, socketUrlsFor } from '../connection-guide.ts';
import { type Route, route } from '../http/route.ts';
import { issueTokenRequest, issueTokenResponse } from '../schemas/auth.ts';
import type { AuthClients } from './clients.ts';
import { ProvenApps } from './proven-apps.ts';
import { tokenAnswer } from './token-answer.ts';

/**
 * A tenant's backend trades its app's secret for the tokens of one of its users. An app's limit counts what came with its
 * secret: app ids are no secret, and who knows one must not be able to use its limit up. Failures are their address's, and
 * an address that is past its limit is still served the apps that have proved their secret.
 */
export const issueToken = ({ tokens }: AuthClients, config: GatewayConfig): Route => {
  const guide = socketConnectionGuide(config);
  const proven = new ProvenApps();
  return route({
    method: 'post',
    path: '/api/v1/auth/sdk/token',
    operationId: 'issueToken',
    summary: 'Trade an app secret for the tokens of a user',
    bearer: false,
    rate: 'issue',
    body: issueTokenRequest,
    response: issueTokenResponse,
    reasons: ['UNAUTHENTICATED', 'USER_DEACTIVATED'],
    known: (body) => proven.has(body),
    async handle({ body, count, remoteAddress, traceparent, signal }) {
      await count('tokensPerApp', body.app_id, 0);
      const request = {
        appId: body.app_id,
        appSecret: body.app_secret,
        userExternalId: body.user_external_id,
        displayName: body.display_name ?? '',
        device: body.device ?? '',
        remoteAddress,
      };
      const issued = await tokens.issueUserToken(request, { traceparent, signal }).catch(async (thrown: unknown) => {
        if (thrown instanceof CaasError && thrown.reason === 'UNAUTHENTICATED') {
          proven.refuted(body);
          await count('tokenFailures', `${body.app_id} ${remoteAddress}`);
        }
        throw thrown;
      });
      proven.proved(body);
      await count('tokensPerApp', body.app_id);
      const answer = tokenAnswer(issued);
      return {
        status: 200,
        body: {
          ...answer,
          socket_urls: socketUrlsFor(config.socketUrls, answer.user_id),
          socket_connection_guide: guide,
        },
      };
    },
  });
};
