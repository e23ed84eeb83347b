import type { ClientEvents } from './client-events.ts';
import type { Effect } from './conversation-state.ts';

type Emit = <K extends keyof ClientEvents>(name: K, value: ClientEvents[K]) => void;

/** Tells the application what came about in a conversation. */
export const announce = (
  emit: Emit,
  conversationId: string,
  effect: Exclude<Effect, { type: 'sync' | 'left' | 'refused' }>,
): void => {
  switch (effect.type) {
    case 'message':
      emit('message', effect.message);
      break;
    case 'committed':
      emit('committed', effect.message);
      break;
    case 'changed':
      emit('messageChanged', effect.message);
      break;
    case 'hidden':
      emit('messageHidden', { conversationId, messageId: effect.messageId });
      break;
    case 'participant':
      emit('participantChanged', effect.participant);
      break;
    case 'conversation':
      emit('conversationChanged', effect.conversation);
      break;
    case 'reset':
      emit('reset', { conversationId });
      break;
    case 'diverged':
      emit('diverged', { conversationId });
      break;
  }
};
