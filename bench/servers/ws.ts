/** The baseline: a plain `ws` server with nothing behind it. Nothing is durable, checked, ordered or repaired. */
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { serve } from '../lib/serve.ts';

interface SendFrame {
  id: string;
  sendMessage: { conversationId: string; clientMsgId: string; content: { text: string } };
}

const rooms = new Map<string, Set<WebSocket>>();
let position = 0;

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: 4096 });

/** Everybody of a room gets the message, stringified once; the sender gets its answer. */
const received = (from: WebSocket, data: Buffer): void => {
  const { id, sendMessage } = JSON.parse(data.toString()) as SendFrame;
  position++;
  const { conversationId, clientMsgId, content } = sendMessage;
  const event = JSON.stringify({
    event: {
      message: {
        messageId: `message-${position}`,
        conversationId,
        senderId: 'sender',
        clientMsgId,
        position,
        content,
        acceptedAtMs: Date.now(),
      },
    },
  });
  for (const member of rooms.get(conversationId) ?? []) member.send(event);
  from.send(JSON.stringify({ id, reply: { accepted: { messageId: `message-${position}`, position } } }));
};

server.on('connection', (socket, request) => {
  const room = new URL(request.url ?? '/', 'ws://bare').searchParams.get('room');
  if (room) {
    const members = rooms.get(room) ?? new Set();
    rooms.set(room, members.add(socket));
    socket.on('close', () => members.delete(socket));
  }
  socket.on('message', (data: Buffer) => received(socket, data));
  socket.send(JSON.stringify({ event: { welcome: { userId: 'user' } } }));
});

server.on('listening', () => {
  const { port } = server.address() as AddressInfo;
  serve({ urls: [`ws://127.0.0.1:${port}`] }, async () => undefined);
});
