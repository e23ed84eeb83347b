/** Texts as chats have them: short, six in ten English, the others Chinese, Japanese and Korean; words as rare as real ones. */

/** A generator of its own, so that every run has the same texts. */
const mulberry32 = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

const vocabulary = 20_000;
const syllables = 'ka lo mi ren ta vo shu bel nor fi gra pe sto lin dar we'.split(' ');
/** The n-th most frequent word. */
export const word = (n: number): string => {
  let text = '';
  for (let rest = n + syllables.length; rest > 0; rest = Math.floor(rest / syllables.length))
    text += syllables[rest % syllables.length];
  return text;
};
const scripts = [
  { from: 0x4e00, count: 2_000 },
  { from: 0x3042, count: 80 },
  { from: 0xac00, count: 1_500 },
] as const;
/** The n-th most frequent character of a script: 0 Chinese, 1 Japanese, 2 Korean. */
export const character = (script: number, n: number): string => {
  const { from, count } = scripts[script] as (typeof scripts)[number];
  return String.fromCharCode(from + ((n * 7) % count));
};

export class Texts {
  readonly random = mulberry32(20_260_101);

  /** Ranks as Zipf has them: the first is as frequent as the second twice, the third three times … */
  rank(count: number): number {
    return Math.floor(count ** this.random()) - 1;
  }

  next(): string {
    const words = 4 + Math.floor(this.random() * 16);
    if (this.random() < 0.6) return Array.from({ length: words }, () => word(this.rank(vocabulary))).join(' ');
    const script = Math.floor(this.random() * 3);
    const { count } = scripts[script] as (typeof scripts)[number];
    return Array.from({ length: words * 2 }, () => character(script, this.rank(count))).join('');
  }
}
