import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutant } from './table.ts';

const root = join(import.meta.dirname, '../../..');
const source = ['packages', 'services', 'gen', 'scripts', 'package.json'];

/** A copy of what services are run from, with a mutant's patches in it. Libraries are those of this tree. */
export const mutantTree = async (mutant: Mutant, dir: string): Promise<void> => {
  await rm(dir, { recursive: true, force: true });
  await mkdir(join(dir, 'node_modules'), { recursive: true });
  const isSource = (path: string): boolean => !/\/(gen\/(go|java|python)|dist|testing)$|\.test\.ts$/.test(path);
  for (const each of source) await cp(join(root, each), join(dir, each), { recursive: true, filter: isSource });
  // Links to the packages lead, relative as they are, into the copy; all else leads to the libraries themselves.
  for (const each of await readdir(join(root, 'node_modules')))
    if (each === '@caas')
      await cp(join(root, 'node_modules', each), join(dir, 'node_modules', each), {
        recursive: true,
        verbatimSymlinks: true,
      });
    else if (!each.startsWith('.')) await symlink(join(root, 'node_modules', each), join(dir, 'node_modules', each));
  for (const [file, text] of await patched(mutant)) await writeFile(join(dir, file), text);
};

/** The mutant's files with its patches in them. */
export const patched = async ({ name, patches }: Mutant): Promise<Map<string, string>> => {
  const files = new Map<string, string>();
  for (const { file, from, to } of patches) {
    const text = files.get(file) ?? (await readFile(join(root, file), 'utf8'));
    if (text.split(from).length !== 2) throw new Error(`mutant ${name}: its place is not there once in ${file}`);
    files.set(
      file,
      text.replace(from, () => to),
    );
  }
  return files;
};
