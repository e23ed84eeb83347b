import { CaasError, type Logger, reasonOf, toCaasError } from '@caas/kit';
import type { GrpcClient } from '@caas/kit/grpc';
import type { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import type { TokenServiceService, VerifiedToken } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims, TenantLimits } from '@caas/proto/caas/common/v1/claims';
import type { Limits } from '../limits.ts';
import { pause } from '../pause.ts';
import type { Connection } from './connection.ts';
import { assertOrigin } from './handshake.ts';

export interface Verified {
  claims: Claims;
  /** What the tenant's users may do, defaults and ceilings considered. */
  limits: Limits;
  allowedOrigins: readonly string[];
  /** Checks of all sessions begun before auth was asked: a later one has not seen this session. */
  checks: number;
}

export interface AuthClients {
  tokens: Pick<GrpcClient<typeof TokenServiceService>, 'verifyTokens'>;
  sessions: Pick<GrpcClient<typeof SessionServiceService>, 'checkSessions' | 'watchRevocations'>;
}

/** What a token must allow for its bearer to come in. */
const entryScope = 'chat';
/** Tokens verified in one call. */
const maxTokensPerCall = 512;
/** Calls to auth under way at a time. */
const maxCallsInFlight = 2;
/** Tokens that are worth a second call beside the one under way; fewer wait for it to end. */
const secondCallTokens = 128;
/** Tokens that may wait for a verdict; more are refused. */
const maxWaitingTokens = 20_000;
const maxSessionsPerCall = 5_000;
/** Auth gives a sign of life every second; after this much silence the stream counts as dead, ms. */
const maxSilenceMs = 3_000;
/** Least time between two lines on a stream that does not stand, ms. */
const lineMs = 30_000;
/** Wait before the stream is opened anew, ms. */
const reopenMs = 500;
/** Ended sessions remembered for connections that were entering when they ended. */
const maxRememberedRevocations = 10_000;

interface Waiting {
  token: string;
  resolve(verified: Verified): void;
  reject(error: CaasError): void;
}

/**
 * What auth says: who may come in, and whose session has ended. No verdict means no entry. Connections already open
 * stay open while auth is away, and are checked as soon as it is back.
 */
export class Gate {
  readonly #auth: AuthClients;
  readonly #logger: Logger;
  readonly #limitsOf: (tenant: TenantLimits | undefined) => Limits;
  readonly #bySession = new Map<string, Set<Connection>>();
  /** Connections whose session was verified before a check of all and came in after it. */
  readonly #unchecked = new Set<Connection>();
  #checks = 0;
  #hears: 'away' | 'blind' | 'following' = 'away';
  readonly #revokedSessions = new Set<string>();
  #waiting: Waiting[] = [];
  #calls = 0;

  constructor(auth: AuthClients, limitsOf: (tenant: TenantLimits | undefined) => Limits, logger: Logger) {
    this.#limitsOf = limitsOf;
    this.#auth = auth;
    this.#logger = logger;
  }

  /** True while auth tells of the sessions that end, or that it can't because its store is away: any node would hear that. */
  get connected(): boolean {
    return this.#hears !== 'away';
  }

  /** True while auth is there and its store is not: few tokens get a verdict, and what ends is heard of later. */
  get blind(): boolean {
    return this.#hears === 'blind';
  }

  /** Verifies a token; rejects with the reason auth gives, or UNAVAILABLE. Tokens of one turn go in one call. */
  verify(token: string): Promise<Verified> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= maxWaitingTokens) {
        reject(
          new CaasError('OVERLOADED', 'too many connections are being opened', {
            details: { limit: 'maxWaitingTokens', value: String(maxWaitingTokens), unit: 'tokens' },
          }),
        );
        return;
      }
      const waiting = this.#waiting.push({ token, resolve, reject });
      if (waiting === 1 || waiting === secondCallTokens) setImmediate(() => this.#flush());
    });
  }

  /** The connection now belongs to the claims' session: it ends when that ends. */
  opened(connection: Connection, checks: number): void {
    const { sessionId } = connection.claims;
    const set = this.#bySession.get(sessionId) ?? new Set();
    this.#bySession.set(sessionId, set);
    set.add(connection);
    // It may have ended between the verdict on the token and now.
    if (this.#revokedSessions.has(sessionId)) this.#endAll(sessionId);
    else if (checks !== this.#checks) this.#unchecked.add(connection);
  }

  closed(connection: Connection): void {
    const { sessionId } = connection.claims;
    this.#unchecked.delete(connection);
    const set = this.#bySession.get(sessionId);
    set?.delete(connection);
    if (set?.size === 0) this.#bySession.delete(sessionId);
  }

  /**
   * The connection has a new token, perhaps of another session of its user, with what the tenant allows by now. Throws
   * ORIGIN_NOT_ALLOWED, and leaves the connection its old token, where its origin is not listed any more.
   */
  moved(connection: Connection, { claims, limits, allowedOrigins, checks }: Verified): void {
    assertOrigin(connection.origin, allowedOrigins);
    this.closed(connection);
    connection.claims = claims;
    connection.renewLimits(limits);
    if (!connection.closed) this.opened(connection, checks);
  }

  /** Follows the sessions that end. */
  async run(signal: AbortSignal): Promise<void> {
    let toldAtMs = Number.NEGATIVE_INFINITY;
    let untold = 0;
    while (!signal.aborted) {
      try {
        await this.#watch(signal);
      } catch (error) {
        if (performance.now() - toldAtMs < lineMs) untold++;
        else if (!signal.aborted) {
          toldAtMs = performance.now();
          this.#logger.warn({ err: error, untold }, 'revocations are not followed; trying again');
          untold = 0;
        }
      }
      if (signal.aborted) return;
      await pause(reopenMs, signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const silence = new AbortController();
    // Not the time of day, which may be set: a step back would make silence last, a step forward end what is alive.
    let heardAtMs = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - heardAtMs > maxSilenceMs) silence.abort(new CaasError('UNAVAILABLE', 'auth is silent'));
    }, 500);
    try {
      let checked = false;
      for await (const { revoked, blind } of this.#auth.sessions.watchRevocations(
        {},
        { signal: AbortSignal.any([signal, silence.signal]) },
      )) {
        // Until we listen again: a check takes its own time.
        heardAtMs = Number.POSITIVE_INFINITY;
        for (const { sessionId } of revoked) this.#revoked(sessionId);
        const sees: boolean = !blind && (await this.#checked(checked));
        checked ||= sees;
        this.#hears = sees ? 'following' : 'blind';
        heardAtMs = performance.now();
      }
    } finally {
      this.#hears = 'away';
      clearInterval(watchdog);
    }
  }

  /** Asks for what may have ended unheard: once when the stream stands, and of who came in late. False: auth can't say now. */
  async #checked(before: boolean): Promise<boolean> {
    try {
      if (!before) {
        await this.#checkAll();
      } else if (this.#unchecked.size > 0) {
        const late = [...this.#unchecked];
        await this.#check(late);
        for (const connection of late) this.#unchecked.delete(connection);
      }
      return true;
    } catch (thrown) {
      if (!toCaasError(thrown).retryable) throw thrown;
      this.#logger.debug({ err: thrown }, 'sessions could not be checked yet');
      return false;
    }
  }

  async #checkAll(): Promise<void> {
    this.#checks++;
    this.#unchecked.clear();
    await this.#check([...this.#bySession.values()].flatMap((set) => [...set].slice(0, 1)));
  }

  async #check(connections: readonly Connection[]): Promise<void> {
    for (let i = 0; i < connections.length; i += maxSessionsPerCall) {
      const sessions = connections
        .slice(i, i + maxSessionsPerCall)
        .map(({ claims: { tenantId, sessionId } }) => ({ tenantId, sessionId }));
      const { invalidSessionIds } = await this.#auth.sessions.checkSessions({ sessions });
      for (const sessionId of invalidSessionIds) this.#revoked(sessionId);
    }
  }

  #revoked(sessionId: string): void {
    this.#revokedSessions.add(sessionId);
    if (this.#revokedSessions.size > maxRememberedRevocations)
      this.#revokedSessions.delete(this.#revokedSessions.values().next().value as string);
    this.#endAll(sessionId);
  }

  #endAll(sessionId: string): void {
    for (const connection of [...(this.#bySession.get(sessionId) ?? [])])
      connection.end('SESSION_REVOKED', 'the session has ended');
  }

  /** While the calls allowed are under way, tokens gather for the next: under a storm of connects the calls grow. */
  #flush(): void {
    while (this.#waiting.length >= (this.#calls === 0 ? 1 : secondCallTokens) && this.#calls < maxCallsInFlight)
      void this.#ask(this.#waiting.splice(0, maxTokensPerCall));
  }

  async #ask(chunk: readonly Waiting[]): Promise<void> {
    this.#calls++;
    const checks = this.#checks;
    try {
      const { verdicts } = await this.#auth.tokens.verifyTokens({ accessTokens: chunk.map((w) => w.token) });
      for (const [i, waiting] of chunk.entries()) this.#answer(waiting, verdicts[i]?.verdict, checks);
    } catch (thrown) {
      const error = toCaasError(thrown);
      const refusal = error.retryable
        ? new CaasError('UNAVAILABLE', 'there is no verdict from auth', { cause: error })
        : error;
      for (const { reject } of chunk) reject(refusal);
    } finally {
      this.#calls--;
      this.#flush();
    }
  }

  #answer(
    { resolve, reject }: Waiting,
    verdict: { $case: 'verified'; value: VerifiedToken } | { $case: 'refused'; value: number } | undefined,
    checks: number,
  ): void {
    if (verdict?.$case === 'verified' && verdict.value.claims) {
      const { claims, limits, allowedOrigins } = verdict.value;
      if (claims.scopes.includes(entryScope))
        resolve({ claims, limits: this.#limitsOf(limits), allowedOrigins, checks });
      // Not PERMISSION_DENIED, which has no close code: what helps is another token, and 4401 says so.
      else
        reject(
          new CaasError('UNAUTHENTICATED', 'the access token is not for this', { details: { scope: entryScope } }),
        );
    } else {
      const reason = verdict?.$case === 'refused' ? reasonOf(verdict.value) : 'UNAUTHENTICATED';
      reject(new CaasError(reason, 'the access token is not valid'));
    }
  }
}
