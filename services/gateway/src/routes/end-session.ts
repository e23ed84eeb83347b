import { type Route, route } from '../http/route.ts';
import { sessionParams } from '../schemas/auth.ts';
import type { AuthClients } from './clients.ts';

/** Ends one session of the user. */
export const endSession = ({ sessions }: AuthClients): Route =>
  route({
    method: 'delete',
    path: '/api/v1/auth/sessions/{session_id}',
    operationId: 'endSession',
    summary: 'End one session of the user; its sockets close within 5 seconds',
    bearer: true,
    rate: 'other',
    params: sessionParams,
    reasons: ['NOT_FOUND'],
    async handle({ claims, params, traceparent }) {
      await sessions.endSession({ claims, sessionId: params.session_id }, { traceparent });
      return { status: 204 };
    },
  });
