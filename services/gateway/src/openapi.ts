import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { type Reason, ruleOf } from '@caas/kit';
import { problemType } from '@caas/kit/problem';
import type { ZodObject } from 'zod';
import type { Route } from './http/route.ts';
import { problem } from './schemas/common.ts';

const scheme = 'accessToken';

/** What every route may answer, by what it does. */
const reasonsOf = (route: Route): Reason[] => [
  'TOKEN_IN_URL',
  'INTERNAL',
  ...(route.path.startsWith('/health/live') ? [] : (['UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const)),
  ...(route.rate === 'none' ? [] : (['RATE_LIMITED', 'OVERLOADED'] as const)),
  ...(route.bearer ? (['UNAUTHENTICATED', 'TOKEN_EXPIRED', 'SESSION_REVOKED', 'PERMISSION_DENIED'] as const) : []),
  ...(route.params || route.body ? (['INVALID_ARGUMENT'] as const) : []),
  ...(route.body ? (['PAYLOAD_NOT_JSON', 'MALFORMED_FRAME', 'FRAME_TOO_LARGE'] as const) : []),
  ...route.reasons,
];

const refusals = (route: Route): RouteConfig['responses'] => {
  const byStatus = Map.groupBy(new Set(reasonsOf(route)), (reason) => ruleOf(reason).http);
  return Object.fromEntries(
    [...byStatus].map(([status, reasons]) => [
      status,
      { description: `reason ${reasons.join(', ')}`, content: { [problemType]: { schema: problem } } },
    ]),
  );
};

const success = ({ response }: Route): RouteConfig['responses'] =>
  response
    ? { 200: { description: 'Done', content: { 'application/json': { schema: response } } } }
    : { 204: { description: 'Done' } };

/** The OpenAPI 3.1 document of the routes, from the schemas that validate them. */
export const describeApi = (routes: readonly Route[]): Record<string, unknown> => {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', scheme, { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' });
  for (const route of routes) {
    registry.registerPath({
      method: route.method,
      path: route.path,
      operationId: route.operationId,
      summary: route.summary,
      ...(route.bearer && { security: [{ [scheme]: [] }] }),
      request: {
        ...(route.params && { params: route.params as ZodObject }),
        ...(route.body && { body: { required: true, content: { 'application/json': { schema: route.body } } } }),
      },
      responses: { ...success(route), ...refusals(route) },
    });
  }
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'CAAS gateway', version: '1.0.0', description: 'Tokens and sessions of users.' },
  });
  return document as unknown as Record<string, unknown>;
};
