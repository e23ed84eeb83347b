import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isTextSignedBy } from '@caas/compliance-client/verify';
import { ConfigError } from '@caas/kit/config';
import { z } from 'zod';
import { isExportPath } from './write-export.ts';

/** What was found wrong, and in which file. */
export interface Finding {
  kind: 'altered' | 'dropped' | 'added' | 'wrong signature';
  path: string;
}

export interface VerifiedPrivacy {
  /** Files read. */
  files: number;
  /** Whether a key that is believed has signed it; undefined: none was named. */
  signed: boolean | undefined;
  findings: Finding[];
}

const namedFile = z.object({ path: z.string().refine(isExportPath), size: z.number(), sha256: z.string() });
const manifest = z.object({
  type: z.literal('caas-export/v1'),
  parts: z.array(namedFile),
  files: z.array(namedFile),
});
const signature = z.object({ key_id: z.string(), public_key: z.string(), signature: z.string() });
/** A certificate as `caas privacy erase` writes it. */
export const certificateFile = signature.extend({ certificate: z.string() });

type NamedFile = z.output<typeof namedFile>;

const unreadable =
  (path: string) =>
  (cause: unknown): never => {
    throw new ConfigError(
      `${path} can't be read: ${(cause as NodeJS.ErrnoException).code ?? 'not what it is said to be'}`,
    );
  };

const jsonOf = async <S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> =>
  schema.parse(JSON.parse(await readFile(path, 'utf8')));

const isSigned = (text: string, signed: z.output<typeof signature>, publicKeys: readonly Uint8Array[]) =>
  publicKeys.length === 0
    ? undefined
    : publicKeys.some((key) => isTextSignedBy(text, Buffer.from(signed.signature, 'base64'), key));

/** Whether a file is the one that is named; undefined: it is. */
const findingIn = async (folder: string, { path, size, sha256 }: NamedFile): Promise<Finding | undefined> => {
  const hash = createHash('sha256');
  const file = join(folder, path);
  const there = await stat(file).catch(() => undefined);
  if (!there?.isFile()) return { kind: 'dropped', path };
  await pipeline(createReadStream(file), hash);
  return there.size === size && hash.digest('hex') === sha256 ? undefined : { kind: 'altered', path };
};

/** All files a manifest names, its parts first. A part that is altered names nothing that counts. */
async function* named(folder: string, { parts, files }: z.output<typeof manifest>): AsyncGenerator<NamedFile> {
  for (const part of parts) {
    yield part;
    if (await findingIn(folder, part)) continue;
    const lines = (await readFile(join(folder, part.path), 'utf8')).split('\n').filter((line) => line !== '');
    for (const line of lines) yield namedFile.parse(JSON.parse(line));
  }
  yield* files;
}

const filesBelow = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true, recursive: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));

/** Compares an export's folder with its manifest, file by file, and the manifest with its signature. */
export const verifyFolder = async (folder: string, publicKeys: readonly Uint8Array[]): Promise<VerifiedPrivacy> => {
  const [manifestFile, signatureFile] = [join(folder, 'manifest.json'), join(folder, 'manifest.sig.json')];
  const text = await readFile(manifestFile, 'utf8').catch(unreadable(manifestFile));
  const parsed = await jsonOf(manifestFile, manifest).catch(unreadable(manifestFile));
  const signedBy = await jsonOf(signatureFile, signature).catch(unreadable(signatureFile));
  const findings: Finding[] = [];
  const left = new Set(await filesBelow(folder));
  left.delete('manifest.json');
  left.delete('manifest.sig.json');
  let files = 0;
  for await (const file of named(folder, parsed)) {
    files += 1;
    left.delete(file.path);
    const finding = await findingIn(folder, file);
    if (finding) findings.push(finding);
  }
  findings.push(...[...left].map((path): Finding => ({ kind: 'added', path })));
  const signed = isSigned(text, signedBy, publicKeys);
  if (signed === false) findings.push({ kind: 'wrong signature', path: 'manifest.json' });
  return { files, signed, findings };
};

/** Whether a certificate is what a believed key has signed. */
export const verifyCertificate = async (
  file: string,
  publicKeys: readonly Uint8Array[],
): Promise<VerifiedPrivacy & { certificate: string }> => {
  if (publicKeys.length === 0) throw new ConfigError('--key is needed: the one in the file proves nothing');
  const read = await jsonOf(file, certificateFile).catch(unreadable(file));
  const signed = isSigned(read.certificate, read, publicKeys) ?? false;
  const findings: Finding[] = signed ? [] : [{ kind: 'wrong signature', path: file }];
  return { files: 1, signed, findings, certificate: read.certificate };
};
