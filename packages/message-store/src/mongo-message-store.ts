import { type MongoOptions, openMongo } from '@caas/mongo';
import { conversationRole } from './mongo/conversation-role.ts';
import { messageRole } from './mongo/message-role.ts';
import { participantRole } from './mongo/participant-role.ts';
import { mongoMessageIndexes } from './mongo/schema.ts';
import type { MessageStore } from './port.ts';

/**
 * Opens the message store in a MongoDB database: replica set or sharded cluster, 6.0 or later. Needs nothing but single
 * documents to be atomic. Rejects UNAVAILABLE when the database cannot be reached and FAILED_PRECONDITION when its indexes
 * are not those of this program.
 */
export const openMongoMessageStore = async (options: MongoOptions): Promise<MessageStore> => {
  const engine = await openMongo(options, mongoMessageIndexes);
  return {
    messages: messageRole(engine),
    conversations: conversationRole(engine),
    participants: participantRole(engine),
    close: () => engine.close(),
  };
};
