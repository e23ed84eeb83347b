/**
 * The process that opens what users upload: it alone, so that what goes wrong in it is one file's end and nobody else's. It
 * ends itself when it holds more memory than it may; who started it ends it when it takes too long.
 */
import { join } from 'node:path';
import { fileTypeFromFile } from 'file-type';
import sharp, { type Metadata, type OutputInfo, type Sharp } from 'sharp';
import type { Examination, Examine, ExaminerBounds, MadeRendition } from './examiner-messages.ts';
import { judged, readableImages } from './kinds.ts';

const { maxPixels, maxResidentBytes } = JSON.parse(process.argv[2] ?? '{}') as ExaminerBounds;
/** How often memory is looked at, in milliseconds. */
const memoryWatchMs = 20;
/** Exit code for what needs more memory than it may. */
const tooMuchMemory = 137;
/** Longest side, in pixels. */
const [thumbnailPixels, previewPixels] = [320, 1280];

sharp.cache(false);
sharp.concurrency(1);
// Loaders of formats that can name other files, or that nobody needs, are not there to be reached.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].map((name) => `VipsForeignLoad${name}`),
});

const isTooLarge = (error: unknown): boolean => error instanceof Error && /pixel limit/.test(error.message);

const written = (image: Sharp, format: 'jpeg' | 'png' | 'webp' | 'gif'): Sharp => {
  if (format === 'jpeg') return image.jpeg({ quality: 90 });
  if (format === 'png') return image.png();
  return format === 'gif' ? image.gif() : image.webp({ quality: 85 });
};

const renditionOf = (
  name: string,
  file: string,
  { format, size, width, height, ...info }: OutputInfo,
): MadeRendition => ({
  name,
  file,
  mediaType: `image/${format}`,
  sizeBytes: size,
  width,
  height: info.pageHeight ?? height,
});

/** Nothing of the file itself is kept: what is handed out is written anew from its pixels, without what came along. */
const imageRenditions = async (
  { file, folder }: Examine,
  mediaType: string,
): Promise<MadeRendition[] | 'too large'> => {
  const options = { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true } as const;
  const { width, height, pages = 1, pageHeight }: Metadata = await sharp(file, options).metadata();
  if (width * (pageHeight ?? height) * pages > maxPixels) return 'too large';
  const opened = (): Sharp => {
    const image = sharp(file, { ...options, animated: pages > 1 });
    return pages > 1 ? image : image.autoOrient();
  };
  const within = (side: number): Sharp =>
    opened().resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true });
  const forms = [
    ['original', opened(), readableImages[mediaType] ?? 'webp'],
    ['preview', within(previewPixels), 'webp'],
    ['thumbnail', within(thumbnailPixels), 'webp'],
  ] as const;
  const made: MadeRendition[] = [];
  for (const [name, image, format] of forms) {
    const to = join(folder, name);
    made.push(renditionOf(name, to, await written(image, format).toFile(to)));
  }
  return made;
};

const examined = async (task: Examine): Promise<Examination> => {
  const sniffed = await fileTypeFromFile(task.file);
  const verdict = judged(sniffed?.mime, task.claim);
  if (verdict === 'not allowed') return { outcome: 'refused', why: 'not allowed' };
  const { family, mediaType } = verdict;
  if (family !== 'image') {
    const av = mediaType.startsWith('video/') ? 'video' : 'audio';
    return { outcome: 'fit', kind: family === 'other' ? 'file' : av, mediaType, renditions: [] };
  }
  try {
    const renditions = await imageRenditions(task, mediaType);
    if (renditions === 'too large') return { outcome: 'refused', why: 'too large' };
    return { outcome: 'fit', kind: 'image', mediaType: renditions[0]?.mediaType ?? mediaType, renditions };
  } catch (error) {
    return { outcome: 'refused', why: isTooLarge(error) ? 'too large' : 'damaged' };
  }
};

setInterval(() => {
  if (process.memoryUsage.rss() > maxResidentBytes) process.exit(tooMuchMemory);
}, memoryWatchMs).unref();

process.on('message', (task: Examine) => {
  examined(task).then(
    (examination) => process.send?.({ id: task.id, examination }),
    () => process.send?.({ id: task.id, examination: { outcome: 'refused', why: 'damaged' } }),
  );
});
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
process.send?.('ready');
