import { type Route, route } from '../http/route.ts';
import type { AuthClients } from './clients.ts';

/** Ends the session of the request. */
export const logout = ({ sessions }: AuthClients): Route =>
  route({
    method: 'post',
    path: '/api/v1/auth/logout',
    operationId: 'logout',
    summary: 'End the session of this token; its sockets close within 5 seconds',
    bearer: true,
    rate: 'other',
    reasons: [],
    async handle({ claims, traceparent }) {
      await sessions.endSession({ claims, sessionId: claims.sessionId }, { traceparent });
      return { status: 204 };
    },
  });
