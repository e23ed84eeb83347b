/** `node bench/profile.ts <file.cpuprofile>`: the functions a profile spends its time in. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
  children?: number[];
}

interface Profile {
  nodes: ProfileNode[];
  samples: number[];
  timeDeltas: number[];
}

const topCount = 25;
const root = new URL('..', import.meta.url).href;

const labelOf = ({ functionName, url, lineNumber }: ProfileNode['callFrame']): string => {
  const file = url.startsWith(root) ? url.slice(root.length) : url;
  return `${functionName || '(anonymous)'} ${file ? `${file.replace(/^node_modules\//, '~')}:${lineNumber + 1}` : ''}`;
};

/** Self time of each node, microseconds. */
const selfTimes = ({ samples, timeDeltas }: Profile): Map<number, number> => {
  const selfUs = new Map<number, number>();
  for (const [i, id] of samples.entries()) selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0));
  return selfUs;
};

const fileOf = (url: string): string | undefined => {
  const file = url.startsWith(root) ? url.slice(root.length) : undefined;
  return file?.startsWith('node_modules/') ? undefined : file;
};

/** Time by file of the project: its own functions and what they call outside of it (libraries, Node, the system). */
const timeByFile = ({ nodes }: Profile, selfUs: ReadonlyMap<number, number>): Map<string, number> => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const byFile = new Map<string, number>();
  const walk = (node: ProfileNode, owner: string): void => {
    const { url, functionName } = node.callFrame;
    const own = fileOf(url) ?? (functionName.startsWith('(') && functionName !== '(anonymous)' ? functionName : owner);
    byFile.set(own, (byFile.get(own) ?? 0) + (selfUs.get(node.id) ?? 0));
    for (const id of node.children ?? []) walk(byId.get(id) as ProfileNode, own);
  };
  const [first] = nodes;
  if (first) walk(first, '(node)');
  byFile.delete('(idle)');
  return byFile;
};

/** The functions with the greatest self time, and the files of the project time is spent for. */
export const summarise = (file: string): string => {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const selfUs = selfTimes(profile);
  const byFunction = new Map<string, number>();
  let allUs = 0;
  let idleUs = 0;
  for (const node of profile.nodes) {
    const us = selfUs.get(node.id) ?? 0;
    allUs += us;
    const label = labelOf(node.callFrame);
    if (label.startsWith('(idle)')) idleUs += us;
    else byFunction.set(label, (byFunction.get(label) ?? 0) + us);
  }
  const busyUs = allUs - idleUs;
  const lines = (times: ReadonlyMap<string, number>): string[] =>
    [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, topCount)
      .map(([label, us]) => `    ${((us / busyUs) * 100).toFixed(1).padStart(5)} %  ${label}`);
  return [
    `    busy ${((busyUs / allUs) * 100).toFixed(0)} % of ${(allUs / 1e6).toFixed(1)} s; self time:`,
    ...lines(byFunction),
    '    by file, with what it calls outside of the project:',
    ...lines(timeByFile(profile, selfUs)),
  ].join('\n');
};

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.stdout.write(`${summarise(process.argv[2] as string)}\n`);
