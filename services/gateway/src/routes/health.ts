import { type Route, route } from '../http/route.ts';
import { probeFreshMs, readyTimeoutMs } from '../limits.ts';
import { health } from '../schemas/operations.ts';
import type { AuthClients } from './clients.ts';
import { freshFor } from './fresh.ts';

const ok: { status: 'ok' } = { status: 'ok' };
const common = { method: 'get', bearer: false, rate: 'none', response: health, reasons: [] } as const;

/** The process answers. */
export const live: Route = route({
  ...common,
  path: '/health/live',
  operationId: 'isLive',
  summary: 'Whether the process runs',
  handle: async () => ({ status: 200, body: ok }),
});

/** The process can do its work: auth answers. */
export const ready = ({ tokens }: AuthClients): Route => {
  const reach = freshFor(probeFreshMs, () => tokens.getKeys({}, { deadlineMs: readyTimeoutMs }));
  return route({
    ...common,
    path: '/health/ready',
    operationId: 'isReady',
    summary: 'Whether requests can be served: auth answers',
    async handle() {
      await reach();
      return { status: 200, body: ok };
    },
  });
};
