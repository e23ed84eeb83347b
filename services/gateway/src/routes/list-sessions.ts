import { type Route, route } from '../http/route.ts';
import { sessionList } from '../schemas/auth.ts';
import type { AuthClients } from './clients.ts';

/** The live sessions of the user. */
export const listSessions = ({ sessions }: AuthClients): Route =>
  route({
    method: 'get',
    path: '/api/v1/auth/sessions',
    operationId: 'listSessions',
    summary: 'List the live sessions of the user',
    bearer: true,
    rate: 'other',
    response: sessionList,
    reasons: [],
    async handle({ claims, traceparent, signal }) {
      const live = await sessions.listSessions({ claims }, { traceparent, signal });
      return {
        status: 200,
        body: {
          sessions: live.sessions.map((session) => ({
            session_id: session.sessionId,
            created_at: session.createdAtMs,
            refreshed_at: session.refreshedAtMs,
            device: session.device,
            remote_address: session.remoteAddress,
            current: session.current,
          })),
        },
      };
    },
  });
