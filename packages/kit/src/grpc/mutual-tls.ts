import { experimental } from '@grpc/grpc-js';
import { checkToken, operator, type ServiceAuth, tokenProof } from './auth.ts';
import { CertificateFiles, defaultReloadMs } from './certificate-files.ts';

export interface MutualTlsOptions {
  /** Folder of `ca.pem`, `<service>.pem` and `<service>.key`, PEM all of them. */
  dir: string;
  /** Name of this service: common name, or first DNS name, of its certificate, and one of its DNS names. */
  service: string;
  /** The operator's token, where this process serves or makes operator calls. */
  operatorToken?: string;
  /** How often the files are looked at, in milliseconds. */
  reloadMs?: number;
  /** For logs: files that can't be used, told once; those read before stay in use. Default: a process warning. */
  onFault?(fault: unknown): void;
}

const warn = (fault: unknown): void => {
  process.emitWarning(`mutual TLS: ${String(fault)}`);
};

/**
 * For services of several machines: each proves its name by a certificate of their common authority, servers to callers too.
 * A server finishes the handshake with whoever comes and refuses every call, health included, of those who prove nothing: so
 * a refused caller hears why. Operators prove themselves by certificate and token.
 */
export const mutualTls = (options: MutualTlsOptions): ServiceAuth => {
  const { dir, service, operatorToken, reloadMs = defaultReloadMs, onFault = warn } = options;
  const files = new CertificateFiles(dir, service, reloadMs, onFault);
  if (operatorToken !== undefined) checkToken(operatorToken);
  const proof = tokenProof((name) => (name === operator ? operatorToken : undefined));
  return {
    encrypted: true,
    serverCredentials: experimental.createCertificateProviderServerCredentials(files, files, false),
    channelCredentials: experimental.createCertificateProviderChannelCredentials(files, files),
    sign: proof.sign,
    identify(metadata, peerName) {
      // A certificate alone makes no operator; nor does a token alone, without a certificate nobody gets here.
      const wantsOperator = peerName === operator || proof.claimed(metadata) === operator;
      return wantsOperator ? proof.identify(metadata) : peerName;
    },
  };
};
