import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type DescMessage, fromJson } from '@bufbuild/protobuf';
import { type ActionRule, auditActions, auditVariables } from '@caas/compliance-client/audit';
import {
  kafkaVariables,
  mongoVariables,
  openSearchVariables,
  redisGatewayVariables,
  redisSocketVariables,
  s3Variables,
  vaultVariables,
} from '@caas/engines';
import { reasonTable, tenantLimitCeilings } from '@caas/kit';
import { AuditEntry } from '@caas/proto/caas/compliance/v1/audit_service';
import { descriptors } from '@caas/proto/descriptor';
import { defaultBounds, defaultLimits } from '@caas/socket';
import { describe, expect, test } from '@jest/globals';
import { errorsDocPath, errorsDocument } from '../scripts/errors-doc.ts';

const read = (path: string): string => readFileSync(path, 'utf8');
const notOurs = new Set(['node_modules', 'data', 'dist', 'coverage', '.git', '.cache', 'third_party']);

const markdownIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : markdownIn(join(folder, entry.name));
    return entry.isFile() && entry.name.endsWith('.md') ? [join(folder, entry.name)] : [];
  });

/** Anchors of a page as GitHub makes them. */
const anchorsOf = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      (title as string)
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

test('docs/ERRORS.md says what the table of reasons says', () => {
  expect(read(errorsDocPath)).toBe(errorsDocument());
});

test('every relative link leads to a file, and its anchor to a heading', () => {
  const broken: string[] = [];
  const pages = markdownIn('.');
  for (const page of pages) {
    const text = read(page).replaceAll(/```[\s\S]*?```/g, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const [path, anchor] = (target as string).split('#') as [string, string?];
      if (/^[a-z]+:/.test(path)) continue;
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(file)) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(read(file)).has(anchor)) broken.push(`${page}: ${target} (anchor)`);
    }
  }
  expect(broken).toEqual([]);
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'docs/architecture.md']));
});

test('every file a page names exists', () => {
  const broken: string[] = [];
  for (const page of markdownIn('.'))
    for (const [, path] of read(page).matchAll(
      /`((?:services|packages|platform|proto|scripts|tests|examples)\/[\w./-]+)`/g,
    ))
      if (!existsSync(path as string)) broken.push(`${page}: ${path}`);
  expect(broken).toEqual([]);
});

describe('docs/services.md', () => {
  const configs = [
    'platform',
    'gateway',
    'auth',
    'socket',
    'persistence',
    'crypto',
    'media',
    'compliance',
    'search',
  ].map((name) => [name, name === 'platform' ? 'platform/src/config.ts' : `services/${name}/src/config.ts`]);
  const sections = new Map(
    read('docs/services.md')
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.split('\n', 1)[0], section]),
  );

  const variablesIn = (code: string): string[] =>
    [...code.matchAll(/^ +([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+): /gm)].map(([, name]) => name as string);
  /** Variables in the first cells of a section's tables. */
  const rowsOf = (title: string): string[] => {
    const rows = (sections.get(title) ?? '').split('\n').filter((line) => line.startsWith('| `'));
    return rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`/g)].map(([, name]) => name as string),
    );
  };

  test('has a section for every service', () => {
    const services = readdirSync('services').filter((name) => existsSync(`services/${name}/src/config.ts`));
    expect(configs.map(([name]) => name)).toEqual(expect.arrayContaining(services));
  });

  test.each(configs)('lists the variables %s reads, and no others', (name, file) => {
    const inCode = variablesIn(read(file as string));
    // The one setting that is a family of variables.
    if (name === 'gateway') inCode.push('SOCKET_SERVICE_1_URL', 'SOCKET_SERVICE_2_URL');
    expect(rowsOf(name as string).toSorted()).toEqual(inCode.toSorted());
  });

  test('lists the variables of whoever audits, and no others', () => {
    expect(rowsOf('Audit').toSorted()).toEqual(Object.keys(auditVariables).toSorted());
  });

  test('lists the variables that name engines, and no others', () => {
    const inCode = {
      ...kafkaVariables,
      ...mongoVariables,
      ...openSearchVariables,
      ...redisGatewayVariables,
      ...redisSocketVariables,
      ...s3Variables,
      ...vaultVariables,
    };
    expect(rowsOf('Engines').toSorted()).toEqual(Object.keys(inCode).toSorted());
  });
});

describe('docs/compliance/audit.md', () => {
  const page = read('docs/compliance/audit.md');

  test('lists every act that is audited, by whom, about what, and whether first', () => {
    const rows = [...page.matchAll(/^\| `([a-z]+\.[a-z_]+)` \| (\w+) \| (\w+) \| (\w+) \|/gm)].map(([, ...row]) => row);
    const rules = Object.entries(auditActions as Record<string, ActionRule>);
    expect(rows).toEqual(
      rules.map(([action, { service, subject, first }]) => [action, service, subject, first ? 'first' : 'noted']),
    );
  });

  test('every act of the table is told in the code of its service', () => {
    const told = (folder: string): string =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
        .map((name) => read(join(folder, name)))
        .join();
    for (const [action, { service }] of Object.entries(auditActions as Record<string, ActionRule>)) {
      const folder = service === 'any' ? 'packages/compliance-client/src/audit' : `services/${service}/src`;
      expect([action, told(folder).includes(`'${action}'`)]).toEqual([action, true]);
    }
  });

  test('shows a leaf that is its entry', () => {
    const [, line = ''] = /```json\n(\{"leaf".*)\n/.exec(page) ?? [];
    const { leaf, entry } = JSON.parse(line);
    expect(AuditEntry.toJSON(AuditEntry.decode(Buffer.from(leaf, 'base64')))).toEqual(entry);
  });
});

describe('docs/api/socket-protocol.md', () => {
  const page = read('docs/api/socket-protocol.md');
  const type = (name: string): DescMessage => descriptors().getMessage(`caas.socket.v1.${name}`) as DescMessage;
  const namesOf = (message: DescMessage): string[] =>
    message.oneofs.flatMap((oneof) => oneof.fields.map((field) => field.jsonName));
  const section = (title: string): string => page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  const firstCells = (text: string): (string | undefined)[] =>
    [...text.matchAll(/^\| `?(\w+)`? \|/gm)].map(([, cell]) => cell);
  const frames = [...page.matchAll(/```json\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    (block as string).trim().split('\n'),
  );

  test('shows only frames the contract knows', () => {
    expect(frames.length).toBeGreaterThan(80);
    for (const frame of frames) {
      const json = JSON.parse(frame);
      const kind = 'reply' in json || 'event' in json || 'error' in json ? 'ServerFrame' : 'ClientFrame';
      expect(() => fromJson(type(kind), json, { registry: descriptors() })).not.toThrow();
    }
  });

  test('names every command and every event, and shows each', () => {
    const commands = namesOf(type('ClientFrame'));
    const events = namesOf(type('Event'));
    expect(firstCells(section('Commands')).filter((cell) => cell !== 'command')).toEqual(
      expect.arrayContaining(commands),
    );
    expect(firstCells(section('Events')).filter((cell) => cell !== 'event')).toEqual(expect.arrayContaining(events));
    const shown = frames.flatMap((frame) => {
      const json = JSON.parse(frame) as { event?: object };
      return [...Object.keys(json), ...Object.keys(json.event ?? {})];
    });
    expect(shown).toEqual(expect.arrayContaining([...commands, ...events]));
  });

  test('lists every close code with its reason', () => {
    const rows = [...section('Close codes').matchAll(/^\| (\d{4}) \| `(\w+)` \|/gm)].map(
      ([, code, reason]) => `${code} ${reason}`,
    );
    const codes = [...reasonTable].flatMap(([reason, { close }]) => (close === 0 ? [] : [`${close} ${reason}`]));
    expect(rows.toSorted()).toEqual(codes.toSorted());
  });

  test('lists every limit with its value', () => {
    const row = ([name, value]: [string, number]): string => `| \`${name}\` | ${value.toLocaleString('en-US')} |`;
    const [ofUsers, ofNodes] = section('Limits').split('Bounds of a node') as [string, string];
    for (const [name, value] of Object.entries(defaultLimits)) {
      const ceiling = tenantLimitCeilings[name as keyof typeof tenantLimitCeilings].toLocaleString('en-US');
      expect(ofUsers).toContain(`${row([name, value])} ${ceiling} |`);
    }
    for (const each of Object.entries(defaultBounds)) expect(ofNodes).toContain(row(each));
  });
});
