/** What files are, as examined; pure. Their names and claims only ever refuse, they never make a file what it is not. */

export type Family = 'image' | 'sound or video' | 'other';

const byExtension: Readonly<Record<string, Family>> = Object.fromEntries([
  ...'jpg jpeg jfif png apng webp gif avif heic heif bmp tif tiff ico svg'.split(' ').map((name) => [name, 'image']),
  ...'mp4 m4v mov webm mkv avi mpg mpeg 3gp mp3 m4a aac ogg oga ogv opus wav flac weba'
    .split(' ')
    .map((name) => [name, 'sound or video']),
]);

/** Types the picture library may load, and what each is written as; no others reach it. */
export const readableImages: Readonly<Record<string, 'jpeg' | 'png' | 'webp' | 'gif'>> = {
  'image/jpeg': 'jpeg',
  'image/png': 'png',
  'image/apng': 'png',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'image/avif': 'webp',
};

/** Programs, which nobody sends to be looked at. */
const programs: ReadonlySet<string> = new Set([
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/x-ms-shortcut',
  'application/java-vm',
  'application/vnd.android.package-archive',
  'application/x-unix-archive',
  'application/wasm',
]);

const familyOfType = (mediaType: string): Family =>
  mediaType.startsWith('image/')
    ? 'image'
    : /^(audio|video)\//.test(mediaType) || mediaType === 'application/ogg'
      ? 'sound or video'
      : 'other';

export interface Claim {
  /** As the client believes; empty: it did not say. */
  mediaType: string;
  /** Lower case, without the dot; empty: the name has none. */
  extension: string;
}

/** What a file is, or that it may not be: `sniffed` is undefined for what has no signature, as text. */
export const judged = (
  sniffed: string | undefined,
  { mediaType, extension }: Claim,
): { family: Family; mediaType: string } | 'not allowed' => {
  const type = sniffed ?? 'application/octet-stream';
  const family = familyOfType(type);
  if (programs.has(type)) return 'not allowed';
  const claims = [
    ...(mediaType === '' || mediaType === 'application/octet-stream' ? [] : [familyOfType(mediaType)]),
    ...(extension === '' ? [] : [byExtension[extension] ?? 'other']),
  ];
  if (claims.some((claimed) => claimed !== family)) return 'not allowed';
  if (family === 'image' && !(type in readableImages)) return 'not allowed';
  return { family, mediaType: type };
};
