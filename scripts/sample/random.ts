/**
 * A seeded source of randomness, so that one seed always gives the same company. Each table draws from a stream of its own
 * (`fork`): a change in how one table is made leaves all others as they were.
 */

export interface Random {
  /** Uniform in [0, 1). */
  readonly uniform: () => number;
  /** Uniform integer in [0, below). */
  readonly below: (below: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
  /** An item, as often as its weight says. */
  readonly weighted: <T>(items: readonly (readonly [T, number])[]) => T;
  readonly exponential: (mean: number) => number;
  readonly gamma: (shape: number, rate: number) => number;
  readonly beta: (a: number, b: number) => number;
  readonly fork: (name: string) => Random;
}

/** The generator needs a few rounds before close seeds give unlike streams. */
const WARM_UP_ROUNDS = 16;

export function createRandom(seed: number, stream = ''): Random {
  const next = sfc32(seed, stream);
  const uniform = (): number => next() / 2 ** 32;
  const below = (limit: number): number => Math.floor(uniform() * limit);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

  /** Marsaglia and Tsang (2000); for a shape below 1 by their boosting. */
  const gamma = (shape: number, rate: number): number => {
    if (shape < 1) return gamma(shape + 1, rate) * (1 - uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return (d * v) / rate;
    }
  };

  return {
    uniform,
    below,
    chance: (probability) => uniform() < probability,
    pick: (items) => at(items, below(items.length)),
    weighted: (items) => {
      let left = uniform() * items.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [item, weight] of items) {
        left -= weight;
        if (left < 0) return item;
      }
      return at(items, items.length - 1)[0];
    },
    exponential: (mean) => -Math.log(1 - uniform()) * mean,
    gamma,
    beta: (a, b) => {
      const x = gamma(a, 1);
      return x / (x + gamma(b, 1));
    },
    fork: (name) => createRandom(seed, `${stream}/${name}`),
  };
}

/** Doty-Humphrey's sfc32, seeded with the seed and an FNV-1a hash of the stream's name. */
function sfc32(seed: number, stream: string): () => number {
  let hash = 0x811c9dc5;
  for (const letter of stream) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = hash | 0;
  let counter = 1;
  const next = (): number => {
    const result = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round++) next();
  return next;
}

/** The item at an index that is known to exist. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`);
  return item;
}
