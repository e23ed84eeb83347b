export interface Token {
  accessToken: string;
  userId: string;
}

const parallel = 16;

/** Tokens of new users, by the way a tenant's backend goes; waits where the gateway says so. */
export const issueTokens = async (
  gatewayUrl: string,
  app: { appId: string; appSecret: string },
  prefix: string,
  count: number,
): Promise<Token[]> => {
  const tokens: Token[] = new Array(count);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      tokens[i] = await issue(gatewayUrl, app, `${prefix}-${i}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, count) }, worker));
  return tokens;
};

const issue = async (
  gatewayUrl: string,
  app: { appId: string; appSecret: string },
  externalId: string,
): Promise<Token> => {
  for (;;) {
    const response = await fetch(`${gatewayUrl}/api/v1/auth/sdk/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ app_id: app.appId, app_secret: app.appSecret, user_external_id: externalId }),
    });
    if (response.status === 429) {
      await response.arrayBuffer();
      await new Promise((resolve) => setTimeout(resolve, Number(response.headers.get('retry-after') ?? 1) * 1_000));
      continue;
    }
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    const body = (await response.json()) as { access_token: string; user_id: string };
    return { accessToken: body.access_token, userId: body.user_id };
  }
};
