import { type Route, route } from '../http/route.ts';
import { endedSessions } from '../schemas/auth.ts';
import type { AuthClients } from './clients.ts';

/** Ends every session of the user, the one of the request included. */
export const endAllSessions = ({ sessions }: AuthClients): Route =>
  route({
    method: 'delete',
    path: '/api/v1/auth/sessions',
    operationId: 'endAllSessions',
    summary: 'End all sessions of the user, this one included',
    bearer: true,
    rate: 'other',
    response: endedSessions,
    reasons: [],
    async handle({ claims, traceparent }) {
      const { ended } = await sessions.endAllSessions({ claims }, { traceparent });
      return { status: 200, body: { ended } };
    },
  });
