/** Names under which people put credentials into URLs, where logs and proxies keep them. */
const credentialNames: ReadonlySet<string> = new Set([
  'access_token',
  'refresh_token',
  'id_token',
  'token',
  'bearer',
  'authorization',
  'app_secret',
  'jwt',
]);

/** What every JWT begins with (`{"`), and three parts of base64url. */
const jwt = /(?:^|[^\w-])eyJ[\w-]{6,}\.[\w-]{8,}\.[\w-]{16,}/;

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/**
 * True when a request target names a credential as a parameter, of the query or of a path's segment, or holds a JWT under
 * any name or none; a target that is no URL (`//`) may have one too.
 */
export const hasCredentialInUrl = (target: string): boolean => {
  const plain = decoded(target);
  if (jwt.test(plain)) return true;
  for (const part of plain.split('#', 1)[0]?.split(/[?&;]/).slice(1) ?? [])
    if (credentialNames.has((part.split('=', 1)[0] ?? '').replaceAll('+', ' ').trim().toLowerCase())) return true;
  return false;
};
