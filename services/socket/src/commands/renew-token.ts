import { fail } from '@caas/kit';
import { type Command, done } from './command.ts';

/** Replaces the connection's token by a fresh one of the same user. */
export const renewToken: Command<'renewToken'> = async (context, { accessToken }) => {
  const { node, connection } = context;
  const verified = await node.gate.verify(accessToken);
  const { claims } = verified;
  if (claims.tenantId !== connection.claims.tenantId || claims.userId !== connection.claims.userId) {
    fail('PERMISSION_DENIED', 'the token is of another user');
  }
  node.gate.moved(connection, verified);
  return done(context);
};
