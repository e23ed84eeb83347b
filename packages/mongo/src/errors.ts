import { CaasError } from '@caas/kit';
import {
  MongoBulkWriteError,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoSystemError,
  MongoWriteConcernError,
} from 'mongodb';

/** A unique index has such a document already. */
export const duplicateKey = 11_000;
/** An update would change `_id`. */
export const immutableField = 66;

/**
 * Codes that say "not now", or "not before an operator has done something", rather than "wrong command"
 * (https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml).
 */
const passing = new Set<number>([
  6, // HostUnreachable
  7, // HostNotFound
  13, // Unauthorized
  18, // AuthenticationFailed
  50, // MaxTimeMSExpired
  64, // WriteConcernTimeout
  89, // NetworkTimeout
  91, // ShutdownInProgress
  100, // UnsatisfiableWriteConcern
  112, // WriteConflict
  133, // FailedToSatisfyReadPreference
  134, // ReadConcernMajorityNotAvailableYet
  189, // PrimarySteppedDown
  262, // ExceededTimeLimit
  9001, // SocketException
  10107, // NotWritablePrimary
  11600, // InterruptedAtShutdown
  11601, // Interrupted
  11602, // InterruptedDueToReplStateChange
  13388, // StaleConfig
  13435, // NotPrimaryNoSecondaryOk
  13436, // NotPrimaryOrSecondary
  14031, // OutOfDiskSpace
]);
/** Errors of the driver that have no class of their own among its exports, by name. */
const passingNames = new Set(['MongoPoolClosedError', 'MongoTopologyClosedError', 'MongoNotConnectedError']);
const noFreeConnection = 'MongoWaitQueueTimeoutError';

/** A bulk write wraps whatever else befell it, a lost connection too, in an error of the server's. */
const unwrapped = (error: MongoError): MongoError => {
  const inner: unknown = error instanceof MongoBulkWriteError ? error.errorResponse : undefined;
  return inner instanceof MongoError ? inner : error;
};

const isPassing = (error: MongoError): boolean =>
  error instanceof MongoNetworkError ||
  error instanceof MongoSystemError ||
  error instanceof MongoWriteConcernError ||
  (error instanceof MongoBulkWriteError && error.result.getWriteConcernError() !== undefined) ||
  (error instanceof MongoServerError && passing.has(Number(error.code))) ||
  error.hasErrorLabel('RetryableWriteError') ||
  error.hasErrorLabel('RetryableError') ||
  passingNames.has(error.name);

/**
 * What a caller gets for whatever the driver throws: OVERLOADED when the server says so or no connection came free in
 * time, UNAVAILABLE when the engine cannot serve this now (what was written is not known), INTERNAL when the command is
 * wrong. The cause is for logs only.
 */
export const engineError = (thrown: unknown): CaasError => {
  if (thrown instanceof CaasError) return thrown;
  const error = thrown instanceof MongoError ? unwrapped(thrown) : undefined;
  if (error?.name === noFreeConnection || error?.hasErrorLabel('SystemOverloadedError'))
    return new CaasError('OVERLOADED', 'too many calls wait for the database', { cause: thrown });
  if (!error || !isPassing(error)) return new CaasError('INTERNAL', 'internal error', { cause: thrown });
  const engine = error instanceof MongoServerError ? (error.codeName ?? `code ${error.code}`) : error.name;
  return new CaasError('UNAVAILABLE', 'the database cannot serve this now', { details: { engine }, cause: thrown });
};

/** True when the fault is a document that was there already. */
export const isDuplicate = (thrown: unknown): boolean =>
  thrown instanceof MongoServerError && thrown.code === duplicateKey && !(thrown instanceof MongoWriteConcernError);
