import { type Route, route } from '../http/route.ts';
import { refreshRequest, refreshResponse } from '../schemas/auth.ts';
import type { AuthClients } from './clients.ts';
import { tokenAnswer } from './token-answer.ts';

/** Trades a refresh token, which is spent by it, for the next pair. */
export const refreshToken = ({ tokens }: AuthClients): Route =>
  route({
    method: 'post',
    path: '/api/v1/auth/token/refresh',
    operationId: 'refreshToken',
    summary: 'Trade a refresh token for the next pair of tokens; using one twice ends its session',
    bearer: false,
    rate: 'refresh',
    body: refreshRequest,
    response: refreshResponse,
    reasons: ['UNAUTHENTICATED', 'REFRESH_TOKEN_REUSED', 'SESSION_REVOKED', 'USER_DEACTIVATED'],
    async handle({ body, traceparent }) {
      // Not cancelled when the client goes: the token would be spent all the same, and the store be asked twice.
      const refreshed = await tokens.refreshToken({ refreshToken: body.refresh_token }, { traceparent });
      return { status: 200, body: tokenAnswer(refreshed) };
    },
  });
