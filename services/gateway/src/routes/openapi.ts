import { type Route, route } from '../http/route.ts';
import { openApiDocument } from '../schemas/operations.ts';

/** This API, described; `describe` is asked once, at the first request. */
export const openApi = (describe: () => Record<string, unknown>): Route => {
  let document: Record<string, unknown> | undefined;
  return route({
    method: 'get',
    path: '/openapi.json',
    operationId: 'describeApi',
    summary: 'This description (OpenAPI 3.1)',
    bearer: false,
    rate: 'none',
    response: openApiDocument,
    reasons: [],
    async handle() {
      document ??= describe();
      return { status: 200, body: document, headers: { 'cache-control': 'public, max-age=300' } };
    },
  });
};
