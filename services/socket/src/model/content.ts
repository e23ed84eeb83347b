import { fail } from '@caas/kit';
import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import type { Limits } from '../limits.ts';

const clientIdPattern = /^[\x21-\x7e]+$/;

/** A client's own id: printable ASCII without blanks; length is the contract's. */
export const assertClientId = (value: string, field: string): void => {
  if (!clientIdPattern.test(value))
    fail('INVALID_ARGUMENT', `${field} must be printable ASCII without blanks`, { details: { field } });
};

/** C0 and C1 controls, line and paragraph separators, and what turns the direction of text around it. */
const notOfALine = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** A name or title, shown in one line among others': it must not break out of it, nor turn what stands beside it. */
export const assertLine = (value: string | undefined, field: string): void => {
  if (value !== undefined && notOfALine.test(value))
    fail('INVALID_ARGUMENT', `${field} must be one line without control or direction characters`, {
      details: { field },
    });
};

/** Hosts that are this very machine, where development serves pictures without TLS. */
const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host);

/** Address of a picture: https, or http of this machine; empty: none. Whoever shows it must not run or leak anything. */
export const assertPictureUrl = (value: string): void => {
  if (value === '') return;
  const url = URL.parse(value);
  const fit = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  // The parser leaves out line breaks and blanks around; whoever shows the text as it was sent might not.
  if (!fit || url.username !== '' || url.password !== '' || /[\s<>"'`]/.test(value) || notOfALine.test(value))
    fail('INVALID_ARGUMENT', 'avatar_url must be an https URL without credentials or blanks', {
      details: { field: 'avatar_url' },
    });
};

const over = (field: string, limit: string, value: number, max: number, unit: string): never =>
  fail('INVALID_ARGUMENT', `${field} is ${value} ${unit}, at most ${max} allowed`, {
    details: { field, limit, max: String(max), unit },
  });

/** What a message says, within the tenant's limits; text is well-formed and without NUL. */
export const assertContent = (content: PlainContent | undefined, limits: Limits): PlainContent => {
  if (!content || (content.text === '' && content.attachments.length === 0)) {
    return fail('INVALID_ARGUMENT', 'a message needs a text or an attachment', { details: { field: 'content' } });
  }
  const { text, attachments, mentions } = content;
  // A UTF-16 unit is at most three bytes of UTF-8: most texts need no count.
  if (text.length * 3 > limits.maxTextBytes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > limits.maxTextBytes) over('content.text', 'maxTextBytes', bytes, limits.maxTextBytes, 'bytes');
  }
  if (text.includes('\0') || !text.isWellFormed()) {
    fail('INVALID_ARGUMENT', 'content.text must be well-formed Unicode without NUL', {
      details: { field: 'content.text' },
    });
  }
  if (attachments.length > limits.maxAttachments)
    over('content.attachments', 'maxAttachments', attachments.length, limits.maxAttachments, 'items');
  if (mentions.length > limits.maxMentions)
    over('content.mentions', 'maxMentions', mentions.length, limits.maxMentions, 'items');
  for (const { name, mediaType } of attachments) {
    assertLine(name, 'content.attachments.name');
    assertLine(mediaType, 'content.attachments.media_type');
  }
  return content;
};
