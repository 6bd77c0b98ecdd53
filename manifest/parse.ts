import { toCanonical } from './canonical.ts';
import { refusals } from './issues.ts';
import { isValues, ownKeysOnly, valueAt } from './values.ts';
import type { Manifest } from './model.ts';
import type { Path, Problem } from './problem.ts';
import { manifestSchema } from './schema/root.ts';
import type { Source } from './source.ts';
import { validate } from './validate.ts';
import type { Names } from './validation.ts';

/** Leaving out a value can make the one around it incomplete, so taking out repeats; a manifest is not nested deeper. */
const MOST_ROUNDS = 12;

export interface ParseResult {
  /** What is left when every refused value is taken out: good for finding more problems, never for planning. */
  readonly remainder: Manifest | null;
  readonly problems: readonly Problem[];
}

/** Checks plain values against the schema and all rules that need no database. All problems at once. */
export function parseManifest(value: unknown, place: Source['place']): ParseResult {
  const problems: Problem[] = [];
  let rest = structuredClone(value);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const result = manifestSchema.safeParse(rest);
    if (result.success) {
      const remainder = ownKeysOnly(toCanonical(result.data));
      return { remainder, problems: [...problems, ...validate(remainder, namesIn(value), place)] };
    }
    const found = refusals(result.error.issues, rest, place);
    // Later rounds only see what the taking out itself has broken.
    if (round === 0) problems.push(...found.map((it) => it.problem));
    rest = withoutAll(
      rest,
      found.map((it) => it.culprit),
    );
    if (rest === undefined) break;
  }
  return { remainder: null, problems };
}

function namesIn(value: unknown): Names {
  const keys = (key: string): string[] => {
    const held = isValues(value) ? value[key] : undefined;
    return isValues(held) ? Object.keys(held) : [];
  };
  return { stores: keys('stores'), purposes: keys('purposes'), subjects: keys('subjects') };
}

/** Takes out the culprits. One that is missing takes out what should hold it; an item of a list takes out the list. */
function withoutAll(root: unknown, culprits: readonly Path[]): unknown {
  // All are found before any is taken out: what is gone already must not count as missing.
  const targets = culprits.map((path) => removable(root, path));
  for (const target of targets) {
    const step = target.at(-1);
    if (step === undefined) return undefined;
    const holder = valueAt(root, target.slice(0, -1));
    if (isValues(holder)) Reflect.deleteProperty(holder, step);
  }
  return root;
}

/** The path itself when a map holds it, else the nearest one above that does. Lists keep their items: indexes of other problems must stay true. */
function removable(root: unknown, path: Path): Path {
  if (path.length === 0) return path;
  const holder = valueAt(root, path.slice(0, -1));
  return isValues(holder) && path.at(-1)! in holder ? path : removable(root, path.slice(0, -1));
}
