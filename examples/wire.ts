/** Sends each argument as a frame, as user `CAAS_USER` (alice), and prints what goes over the wire until all are answered. */
const { CAAS_GATEWAY_URL, CAAS_APP_ID, CAAS_APP_SECRET, CAAS_USER = 'alice' } = process.env;
const frames = process.argv.slice(2);

const body = JSON.stringify({ app_id: CAAS_APP_ID, app_secret: CAAS_APP_SECRET, user_external_id: CAAS_USER });
const headers = { 'content-type': 'application/json' };
const response = await fetch(`${CAAS_GATEWAY_URL}/api/v1/auth/sdk/token`, { method: 'POST', headers, body });
if (!response.ok) throw new Error(await response.text());
const { access_token, socket_urls } = (await response.json()) as { access_token: string; socket_urls: [string] };

const socket = new WebSocket(socket_urls[0], ['caas.v1.json', `bearer.${access_token}`]);
let unanswered = frames.length;
socket.addEventListener('message', ({ data }) => {
  console.log(`< ${data}`);
  const frame = JSON.parse(data) as { event?: { welcome?: object } };
  if (frame.event?.welcome) {
    for (const each of frames) {
      console.log(`> ${each}`);
      socket.send(each);
    }
  }
  if (!frame.event) unanswered -= 1;
  if (unanswered === 0) socket.close(1000);
});
socket.addEventListener('close', ({ code, reason }) => console.log(`closed with ${code} ${reason}`));

export {};
