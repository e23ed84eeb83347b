import { CaasError, fail } from '@caas/kit';
import { addMembers } from './add-members.ts';
import { archiveConversation } from './archive-conversation.ts';
import type { Command, CommandContext, CommandName, RequestOf, Result } from './command.ts';
import { createConversation } from './create-conversation.ts';
import { deleteMessage } from './delete-message.ts';
import { editMessage } from './edit-message.ts';
import { forwardMessage } from './forward-message.ts';
import { getConversation } from './get-conversation.ts';
import { getHistory } from './get-history.ts';
import { getMedia } from './get-media.ts';
import { getThread } from './get-thread.ts';
import { getUsers } from './get-users.ts';
import { leaveConversation } from './leave-conversation.ts';
import { listConversations } from './list-conversations.ts';
import { listMembers } from './list-members.ts';
import { listPins } from './list-pins.ts';
import { markDelivered } from './mark-delivered.ts';
import { markRead } from './mark-read.ts';
import { muteConversation } from './mute-conversation.ts';
import { removeMembers } from './remove-members.ts';
import { renewToken } from './renew-token.ts';
import { searchMessages } from './search-messages.ts';
import { sendMessage } from './send-message.ts';
import { setMemberRole } from './set-member-role.ts';
import { setPin } from './set-pin.ts';
import { setReaction } from './set-reaction.ts';
import { setTyping } from './set-typing.ts';
import { sync } from './sync.ts';
import { updateConversation } from './update-conversation.ts';
import { updateProfile } from './update-profile.ts';
import { abortUpload, completeUpload, createUpload, getUpload } from './uploads.ts';
import { watchPresence } from './watch-presence.ts';

/** How a verb is run. */
interface Verb<N extends CommandName> {
  run: Command<N>;
  /** Which of the user's rates it counts against. */
  rate: 'sends' | 'frames';
  /** Reads, that may overtake and be overtaken; all else keeps the order of the connection. */
  concurrent: boolean;
  /** Its answer may have `maxReplyBytes`: memory is set aside for it before it runs. */
  longReply: boolean;
}

const write = <N extends CommandName>(run: Command<N>): Verb<N> => ({
  run,
  rate: 'frames',
  concurrent: false,
  longReply: false,
});
const read = <N extends CommandName>(run: Command<N>): Verb<N> => ({
  run,
  rate: 'frames',
  concurrent: true,
  longReply: false,
});
const longRead = <N extends CommandName>(run: Command<N>): Verb<N> => ({ ...read(run), longReply: true });
/** Reads of the message store: while it is away live messages go on, and the reason says so. */
const history = <N extends CommandName>(run: Command<N>): Verb<N> =>
  longRead(async (context, request) => {
    try {
      return await run(context, request);
    } catch (error) {
      if (!(error instanceof CaasError) || error.reason !== 'UNAVAILABLE') throw error;
      return fail('HISTORY_UNAVAILABLE', 'the message store does not answer', {
        cause: error,
        ...(!error.retryable && { retryable: false as const }),
      });
    }
  });
const sends = <N extends CommandName>(run: Command<N>): Verb<N> => ({
  run,
  rate: 'sends',
  concurrent: false,
  longReply: false,
});

/** Every command of the contract; the type keeps it complete. */
const verbs: { readonly [N in CommandName]: Verb<N> } = {
  sendMessage: sends(sendMessage),
  forwardMessage: sends(forwardMessage),
  editMessage: write(editMessage),
  deleteMessage: write(deleteMessage),
  setReaction: write(setReaction),
  setPin: write(setPin),
  createConversation: write(createConversation),
  updateConversation: write(updateConversation),
  archiveConversation: write(archiveConversation),
  addMembers: write(addMembers),
  removeMembers: write(removeMembers),
  setMemberRole: write(setMemberRole),
  leaveConversation: write(leaveConversation),
  muteConversation: write(muteConversation),
  markDelivered: write(markDelivered),
  markRead: write(markRead),
  setTyping: read(setTyping),
  watchPresence: write(watchPresence),
  listConversations: history(listConversations),
  getConversation: history(getConversation),
  listMembers: history(listMembers),
  getHistory: history(getHistory),
  getThread: history(getThread),
  listPins: history(listPins),
  sync: history(sync),
  getUsers: longRead(getUsers),
  updateProfile: write(updateProfile),
  renewToken: write(renewToken),
  createUpload: read(createUpload),
  getUpload: read(getUpload),
  completeUpload: read(completeUpload),
  abortUpload: read(abortUpload),
  getMedia: read(getMedia),
  searchMessages: read(searchMessages),
};

export const verbOf = (name: CommandName): Verb<CommandName> => verbs[name] as unknown as Verb<CommandName>;

/** Runs a command; a synchronous throw becomes a rejection, so that callers see one kind of failure. */
export const runCommand = async (
  context: CommandContext,
  name: CommandName,
  request: RequestOf<CommandName>,
): Promise<Result> => verbOf(name).run(context, request as never);
