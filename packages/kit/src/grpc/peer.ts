import type { ServerUnaryCall } from '@grpc/grpc-js';
import { fail } from '../errors.ts';
import { nameInCertificate } from './certificate-files.ts';

/** The way to a call's socket, which grpc-js has and does not show; without it a refusal is said in fewer words. */
interface WithSocket {
  call?: { stream?: { session?: { socket?: { authorizationError?: unknown } } } };
}

/** Why the transport does not trust the peer's certificate, as OpenSSL names it. */
const distrust = (call: unknown): string | undefined => {
  const why = (call as WithSocket).call?.stream?.session?.socket?.authorizationError;
  return typeof why === 'string' ? why : (why as NodeJS.ErrnoException | undefined)?.code;
};

const meanings: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  UNABLE_TO_GET_ISSUER_CERT: 'it showed none',
};

/** Name in the certificate of the calling service; throws UNAUTHENTICATED, saying why, when it shows none to be trusted. */
export const peerNameOf = (call: Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext'>, method: string): string => {
  const certificate = call.getAuthContext().sslPeerCertificate;
  const name = certificate && nameInCertificate(certificate.subject?.CN, certificate.subjectaltname);
  if (name !== undefined) return name;
  const tls = distrust(call) ?? 'UNKNOWN';
  return fail('UNAUTHENTICATED', `the calling service's certificate is not trusted: ${meanings[tls] ?? tls}`, {
    details: { subject: 'caller', method, tls },
  });
};
