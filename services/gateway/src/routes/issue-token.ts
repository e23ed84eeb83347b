import { socketConnectionGuide, socketUrlsFor } from '../connection-guide.ts';
import { type Route, route } from '../http/route.ts';
import { issueTokenRequest, issueTokenResponse } from '../schemas/auth.ts';
import type { AuthClients } from './clients.ts';
import { tokenAnswer } from './token-answer.ts';

/** A tenant's backend trades its app's secret for the tokens of one of its users. */
export const issueToken = ({ tokens }: AuthClients, socketUrls: readonly string[]): Route =>
  route({
    method: 'post',
    path: '/api/v1/auth/sdk/token',
    summary: 'Trade an app secret for the tokens of a user',
    bearer: false,
    rate: 'issue',
    body: issueTokenRequest,
    response: issueTokenResponse,
    reasons: ['UNAUTHENTICATED', 'USER_DEACTIVATED'],
    async handle({ body, count, remoteAddress, traceparent, signal }) {
      await count('tokensPerApp', body.app_id);
      const issued = await tokens.issueUserToken(
        {
          appId: body.app_id,
          appSecret: body.app_secret,
          userExternalId: body.user_external_id,
          displayName: body.display_name ?? '',
          device: body.device ?? '',
          remoteAddress,
        },
        { traceparent, signal },
      );
      const answer = tokenAnswer(issued);
      return {
        status: 200,
        body: {
          ...answer,
          socket_urls: socketUrlsFor(socketUrls, answer.user_id),
          socket_connection_guide: socketConnectionGuide,
        },
      };
    },
  });
