import { CaasClient } from '@caas/client';

const { CAAS_GATEWAY_URL, CAAS_APP_ID, CAAS_APP_SECRET } = process.env;

const connect = async (name: string): Promise<CaasClient> => {
  // Your backend does this part: the app's secret stays there.
  const body = JSON.stringify({ app_id: CAAS_APP_ID, app_secret: CAAS_APP_SECRET, user_external_id: name });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${CAAS_GATEWAY_URL}/api/v1/auth/sdk/token`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(await response.text());
  const { access_token, socket_urls } = (await response.json()) as { access_token: string; socket_urls: string[] };
  const client = new CaasClient({ urls: socket_urls, getToken: async () => access_token });
  await client.connect();
  return client;
};

const [alice, bob] = [await connect('alice'), await connect('bob')];
const { conversation } = await alice.createConversation({ kind: 'DIRECT', memberIds: [bob.userId] });
const bobsView = bob.conversation(conversation.conversationId);
const sent = await alice.sendMessage(conversation.conversationId, { text: 'hello bob' });
console.log(`alice: accepted ${sent.messageId}, trace ${sent.traceId}`);

const arrived = await bobsView.committed(sent.messageId);
console.log(`bob: ${arrived.content?.text}`);
for (const client of [alice, bob]) client.close();
