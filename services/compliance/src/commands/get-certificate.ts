import { fail } from '@caas/kit';
import {
  type GetCertificateRequest,
  type GetCertificateResponse,
  JobKind,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { jobOf } from '../privacy/jobs.ts';

/** The signed certificate of an erasure that has ended. */
export const getCertificate =
  (core: PrivacyCore) =>
  async ({ tenantId, jobId }: GetCertificateRequest): Promise<GetCertificateResponse> => {
    const { certificate } = await jobOf(core, tenantId, jobId, JobKind.JOB_KIND_ERASURE);
    if (!certificate) return fail('FAILED_PRECONDITION', 'the erasure has not ended');
    const { text, signature, keyId } = certificate;
    const publicKey = (await core.publicKey(keyId)) ?? fail('INTERNAL', 'a text is signed by a key nobody knows');
    const signatureBytes = Buffer.from(signature, 'base64');
    return { certificateJson: text, signature: signatureBytes, keyId, publicKey: Buffer.from(publicKey) };
  };
