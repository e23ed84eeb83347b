import { z } from 'zod';
import { boundedText, timeMs } from './common.ts';

export const issueTokenRequest = z
  .strictObject({
    app_id: boundedText(1, 64).describe('App of the tenant'),
    app_secret: boundedText(1, 256).describe('Secret of the app; keep it on your backend'),
    user_external_id: boundedText(1, 256).describe('Your own name of the user; the user is created when new'),
    display_name: boundedText(0, 256).optional().describe('Name others see; when absent it stays as it is'),
    device: boundedText(0, 256).optional().describe('What the device calls itself, shown in the list of sessions'),
  })
  .meta({ id: 'IssueTokenRequest' });

const tokenPair = {
  access_token: z.string().describe('EdDSA JWT for this API and the socket nodes'),
  refresh_token: z.string().describe('Opaque, for one refresh'),
  token_type: z.literal('Bearer'),
  expires_in: z.int().describe('Seconds until the access token expires'),
  expires_at: timeMs().describe('When the access token expires, UTC milliseconds since 1970'),
  refresh_expires_at: timeMs().describe('When the refresh token expires, UTC milliseconds since 1970'),
  user_id: z.string().describe('The user within the tenant'),
  session_id: z.string().describe('The session the tokens belong to'),
  tenant_id: z.string().describe('The tenant'),
};

export const connectionGuide = z
  .strictObject({
    subprotocols: z.array(z.string()).describe('WebSocket subprotocols, choose one'),
    authorization: z
      .strictObject({
        header: z.string().describe('For clients that can set headers'),
        browser: z.string().describe('For browsers'),
        never: z.string().describe('What is refused'),
      })
      .describe('How to present the access token'),
    reconnect: z
      .strictObject({ base_ms: z.int(), cap_ms: z.int(), jitter: z.literal('full') })
      .describe('Wait a random time from 0 to min(cap_ms, base_ms · 2^attempt), then try the next URL'),
    first_frames: z.array(z.record(z.string(), z.unknown())).describe('Examples of frames in caas.v1.json'),
    ping_interval_ms: z.int().describe('The node pings this often'),
    pong_timeout_ms: z.int().describe('Without a pong for this long the node closes'),
    close_codes: z
      .array(
        z.strictObject({
          code: z.int(),
          reason: z.string(),
          retryable: z.boolean(),
          retry_after_ms: z.int(),
          meaning: z.string(),
        }),
      )
      .describe('Why a node closes a connection and what to do then'),
  })
  .meta({ id: 'SocketConnectionGuide' });

export const issueTokenResponse = z
  .strictObject({
    ...tokenPair,
    socket_urls: z.array(z.string()).describe('Where to connect, best first'),
    socket_connection_guide: connectionGuide,
  })
  .meta({ id: 'IssueTokenResponse' });

export const refreshRequest = z
  .strictObject({ refresh_token: boundedText(1, 256).describe('The newest refresh token of the session') })
  .meta({ id: 'RefreshRequest' });

export const refreshResponse = z.strictObject(tokenPair).meta({ id: 'RefreshResponse' });

export const sessionParams = z.strictObject({ session_id: boundedText(1, 64).describe('A session of the user') });

export const sessionList = z
  .strictObject({
    sessions: z
      .array(
        z.strictObject({
          session_id: z.string(),
          created_at: timeMs(),
          refreshed_at: timeMs(),
          device: z.string(),
          remote_address: z.string(),
          current: z.boolean().describe('True for the session of this request'),
        }),
      )
      .describe('Live sessions, newest first'),
  })
  .meta({ id: 'SessionList' });

export const endedSessions = z
  .strictObject({ ended: z.int().describe('How many sessions ended') })
  .meta({ id: 'EndedSessions' });
