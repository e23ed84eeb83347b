import { mkdir, rm } from 'node:fs/promises';
import { until } from '@caas/kit/testing/until';
import { Chance } from '../support/chance.ts';
import type { Scene } from './faults.ts';
import { Fleet, type Member } from './fleet.ts';
import { judge } from './judge.ts';
import { Load } from './load.ts';
import { graceMs, Outsiders } from './outsiders.ts';
import { pause } from './pause.ts';
import { recordEnds } from './record-ends.ts';
import type { Result } from './report.ts';

import type { Target } from './world.ts';

/** Who talks where. */
const members = 8;
const conversations = 6;
/** Load before the fault, and at least after it, in milliseconds. */
const beforeMs = 3_000;
const afterMs = 3_000;
/** Longest time until the first send is accepted after the fault, until all sends are, and until all lists agree, in milliseconds. */
const usualPatienceMs = 60_000;

export interface CellRun {
  /** Name of the cell. */
  name: string;
  seed: number;
  target: Target;
  /** Folder of histories; emptied. */
  dir: string;
  /** Sends a second. */
  rate: number;
  /** How long each step of recovery may take, in milliseconds. */
  patienceMs?: number;
  /** The load goes on until so many are accepted. */
  minAccepted: number;
  fault(chance: Chance, scene: Scene): Promise<void>;
}

interface Cast {
  fleet: Fleet;
  strangers: Fleet;
  outsiders: Outsiders;
}

interface Course {
  load: Load;
  faultAtMs: number;
  healedAtMs: number;
  /** What did not come about in its time. */
  late: string[];
}

/** Load before, during and after the fault, until all is said and all lists agree. */
const runCourse = async (run: CellRun, cast: Cast, chance: Chance): Promise<Course> => {
  const { rate, minAccepted, patienceMs = usualPatienceMs } = run;
  const everybody = [...cast.fleet.members, ...cast.strangers.members];
  const late: string[] = [];
  const inTime = (work: Promise<unknown>): Promise<unknown> =>
    work.catch((thrown: unknown) => late.push(String((thrown as Error).message)));
  const load = new Load(everybody, { rate, chance });
  await pause(beforeMs);
  const faultAtMs = Date.now();
  const { members } = cast.fleet;
  const conversations = [...new Set(members.flatMap((member) => member.conversations))];
  const cuts = (on: boolean): void => {
    load.cuts = on;
  };
  const { tenantId } = cast.fleet;
  await inTime(run.fault(chance, { tenantId, members, conversations, cuts }));
  const healedAtMs = Date.now();
  load.watch();
  const isAccepted = (ms: number | undefined): boolean => ms !== undefined;
  await inTime(until('the first acceptance after the fault', () => load.firstAcceptedMs, isAccepted, patienceMs));
  await pause(afterMs);
  const enoughMs = patienceMs + (2_000 * minAccepted) / rate;
  if (late.length === 0)
    await inTime(
      until(
        `${minAccepted} messages`,
        () => load.accepted,
        (n) => n >= minAccepted,
        enoughMs,
      ),
    );
  await inTime(load.stop(patienceMs));
  await cast.outsiders.stop();
  await inTime(
    until(
      'all lists agree',
      () => disagreement(everybody) ?? '',
      (what) => what === '',
      patienceMs,
    ),
  );
  return { load, faultAtMs, healedAtMs, late };
};

/** Runs a fault under load, and judges what everybody saw. */
export const runCell = async (run: CellRun): Promise<Result> => {
  const { name, seed, dir } = run;
  const chance = new Chance(seed);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const startedAtMs = Date.now();
  const cast = await assemble(run, chance);
  const { load, faultAtMs, healedAtMs, late } = await runCourse(run, cast, chance);
  const fleets = [cast.fleet, cast.strangers];
  await recordEnds(run, fleets);
  for (const fleet of fleets) await fleet.close();
  const { violations, ...verdict } = await judge(dir, { faultAtMs, healedAtMs });
  return {
    cell: name,
    seed,
    ...verdict,
    faultMs: healedAtMs - faultAtMs,
    firstAcceptedMs: load.firstAcceptedMs ?? -1,
    tookMs: Date.now() - startedAtMs,
    violations: [...violations, ...late.map((what) => ({ broken: 'late' as const, what }))],
  };
};

/** Two tenants who talk among themselves, and those who must see nothing: strangers, a removed member, an ended session. */
const assemble = async ({ target, dir, name, seed }: CellRun, chance: Chance): Promise<Cast> => {
  const tenant = `${name}-${seed}-${Date.now().toString(36)}`;
  const fleet = await Fleet.of({ target, dir, chance }, `${tenant}-a`);
  const strangers = await Fleet.of({ target, dir, chance }, `${tenant}-b`);
  const joined = await Promise.all(Array.from({ length: members }, (_, i) => fleet.join(`user-${i}`, i)));
  const removed = await fleet.outsider('removed', 0);
  const [one, two] = await Promise.all([strangers.join('one', 0), strangers.join('two', 1)]);
  const first = await fleet.converse(joined, 'everybody', [removed.userId]);
  for (let c = 1; c < conversations; c += 1)
    await fleet.converse(chance.shuffled(joined).slice(0, chance.whole(3, 5)), `conversation ${c}`);
  await strangers.converse([one, two], 'strangers');
  await (joined[0] as Member).sdk.removeMembers(first, [removed.userId]);
  const ended = await fleet.signIn('ended');
  const logout = await fetch(`${target.gatewayUrl}/api/v1/auth/logout`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ended.accessToken}` },
  });
  if (logout.status !== 204) throw new Error(`logout answered ${logout.status}`);
  await pause(graceMs);
  const outsiders = new Outsiders();
  outsiders.intrude(removed, first, 'a removed member');
  outsiders.intrude(one, first, 'another tenant');
  outsiders.enter(target, ended.accessToken, removed.recorder);
  return { fleet, strangers, outsiders };
};

/** What is not yet the same everywhere; undefined: all members of each conversation are where the others are. */
const disagreement = (everybody: readonly Member[]): string | undefined => {
  const heads = new Map<string, string>();
  for (const { name, sdk, conversations: own } of everybody) {
    const { pending, outbox } = sdk.stats();
    if (sdk.state !== 'online' || pending > 0 || outbox > 0)
      return `${name} is ${sdk.state} with ${pending} pending and ${outbox} unsent`;
    for (const id of own) {
      const { headRev, lastSeq, digest } = sdk.conversation(id).head;
      const head = `${headRev} ${lastSeq} ${digest}`;
      const other = heads.get(id) ?? head;
      if (other !== head) return `${name} has ${head} of ${id}, another ${other}`;
      heads.set(id, head);
    }
  }
  return undefined;
};
