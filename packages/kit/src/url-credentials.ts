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

/** True when the query of a request target names a credential; a target that is no URL (`//`) may have one too. */
export const hasCredentialInUrl = (target: string): boolean => {
  const at = target.indexOf('?');
  if (at < 0) return false;
  for (const name of new URLSearchParams(target.slice(at + 1).split('#', 1)[0]).keys())
    if (credentialNames.has(name.toLowerCase())) return true;
  return false;
};
