import { service } from '@caas/kit/grpc';
import { PrivacyServiceService } from '@caas/proto/caas/compliance/v1/privacy_service';
import { cancelJob } from '../commands/cancel-job.ts';
import { getCertificate } from '../commands/get-certificate.ts';
import { getJob } from '../commands/get-job.ts';
import { listJobs } from '../commands/list-jobs.ts';
import { listLegalHolds } from '../commands/list-legal-holds.ts';
import { listRetention } from '../commands/list-retention.ts';
import { putLegalHold } from '../commands/put-legal-hold.ts';
import { putRetention } from '../commands/put-retention.ts';
import { readExport } from '../commands/read-export.ts';
import { releaseLegalHold } from '../commands/release-legal-hold.ts';
import { startErasure } from '../commands/start-erasure.ts';
import { startExport } from '../commands/start-export.ts';
import { startRetention } from '../commands/start-retention.ts';
import type { PrivacyCore } from './core.ts';

/** PrivacyService over its core. */
export const privacyService = (core: PrivacyCore) =>
  service(PrivacyServiceService, {
    startExport: startExport(core),
    startErasure: startErasure(core),
    startRetention: startRetention(core),
    getJob: getJob(core),
    listJobs: listJobs(core),
    cancelJob: cancelJob(core),
    readExport: readExport(core),
    getCertificate: getCertificate(core),
    putLegalHold: putLegalHold(core),
    releaseLegalHold: releaseLegalHold(core),
    listLegalHolds: listLegalHolds(core),
    putRetention: putRetention(core),
    listRetention: listRetention(core),
  });
