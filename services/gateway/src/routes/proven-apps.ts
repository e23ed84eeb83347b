import { createHmac, randomBytes } from 'node:crypto';
import { maxProvenApps, provenForMs } from '../limits.ts';

/** What an app says of itself. */
interface AppCredentials {
  app_id: string;
  app_secret: string;
}

/**
 * Apps whose secret auth has found right lately: what strangers at their address use up is not taken from them. It is no
 * verdict on the secret, which auth is asked for all the same, and holds no secret.
 */
export class ProvenApps {
  readonly #key = randomBytes(32);
  /** Until when, by digest of the credentials; the one proved longest ago is first. */
  readonly #untilMs = new Map<string, number>();

  proved(credentials: AppCredentials): void {
    const digest = this.#digest(credentials);
    this.#untilMs.delete(digest);
    this.#untilMs.set(digest, performance.now() + provenForMs);
    if (this.#untilMs.size > maxProvenApps) this.#untilMs.delete(this.#untilMs.keys().next().value as string);
  }

  refuted(credentials: AppCredentials): void {
    this.#untilMs.delete(this.#digest(credentials));
  }

  has(credentials: AppCredentials): boolean {
    return performance.now() < (this.#untilMs.get(this.#digest(credentials)) ?? 0);
  }

  #digest({ app_id, app_secret }: AppCredentials): string {
    return createHmac('sha256', this.#key).update(`${app_id}\0${app_secret}`).digest('base64');
  }
}
