import { CaasError } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';

const refusing = <Role extends object>(role: Role, answers: () => boolean): Role =>
  new Proxy(role, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) =>
        answers()
          ? member.apply(target, args)
          : Promise.reject(new CaasError('UNAVAILABLE', 'the message store does not answer'));
    },
  });

/**
 * The store as commands use it: while it is known to be away they are told at once. One that waited for it would hold up
 * what its connection sends next, which may need no store.
 */
export const storeOfCommands = (store: MessageStore, answers: () => boolean): MessageStore => ({
  messages: refusing(store.messages, answers),
  conversations: refusing(store.conversations, answers),
  participants: refusing(store.participants, answers),
  close: () => store.close(),
});
