import { CaasError } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';

/** What is known of whether the store answers. */
export interface StoreState {
  readonly storeAnswers: boolean;
  /** A call was given up: it is taken for away until it has answered again. */
  storeFailed(): void;
}

const refusing = <Role extends object>(role: Role, state: StoreState): Role =>
  new Proxy(role, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        if (!state.storeAnswers) throw new CaasError('UNAVAILABLE', 'the message store does not answer');
        try {
          return await member.apply(target, args);
        } catch (thrown) {
          if (thrown instanceof CaasError && thrown.reason === 'UNAVAILABLE') state.storeFailed();
          throw thrown;
        }
      };
    },
  });

/**
 * The store as commands use it: while it is known to be away they are told at once. One that waited for it would hold up
 * what its connection sends next, which may need no store.
 */
export const storeOfCommands = (store: MessageStore, state: StoreState): MessageStore => ({
  messages: refusing(store.messages, state),
  conversations: refusing(store.conversations, state),
  participants: refusing(store.participants, state),
  close: () => store.close(),
});
