import { problem } from './codes.ts';
import { KEY, type Problem } from './problem.ts';
import type { Part, Source } from './source.ts';
import { isValues, type Values } from './values.ts';

/** Maps of named things: files may each bring entries. Every other key stands in one file only. */
const MAPS: ReadonlySet<string> = new Set(['stores', 'purposes', 'subjects', 'tables', 'ignore', 'recipients', 'schedules', 'own']);
const LISTS: ReadonlySet<string> = new Set(['references', 'shared', 'consents', 'measures']);

export interface Merged extends Source {
  readonly value: Values;
  readonly problems: readonly Problem[];
}

/** An ordinary map would take `__proto__` for something else than a name. */
function emptyValues(): Values {
  return Object.create(null) as Values;
}

/** Merges the files of a folder in the order given. A thing defined in two of them is a problem, and the first counts. */
export function mergeParts(parts: readonly Part[]): Merged {
  const value = emptyValues();
  const owner = new Map<string, Part>();
  /** For each list, which part brought the item at each index, and as its how-manieth. */
  const items = new Map<string, { part: Part; index: number }[]>();
  const problems: Problem[] = [];

  const claim = (part: Part, path: readonly string[]): boolean => {
    const id = JSON.stringify(path);
    const first = owner.get(id);
    if (first === undefined) {
      owner.set(id, part);
      return true;
    }
    const there = first.place([...path, KEY]);
    problems.push(
      problem(
        'P003',
        part.place([...path, KEY]),
        `\`${path.join('.')}\` is already defined in ${there?.file}:${there?.line}`,
        'keep one of them',
      ),
    );
    return false;
  };

  for (const part of parts) {
    if (part.value === null || part.value === undefined) continue;
    if (!isValues(part.value)) {
      problems.push(problem('P005', part.place([]), 'a manifest is a map of keys', 'begin with `organisation: …`'));
      continue;
    }
    for (const [key, held] of Object.entries(part.value)) {
      if (key === '$schema') continue;
      const sofar = value[key];
      if (MAPS.has(key) && isValues(held) && (sofar === undefined || isValues(sofar))) {
        const target = sofar ?? emptyValues();
        value[key] = target;
        if (!owner.has(JSON.stringify([key]))) owner.set(JSON.stringify([key]), part);
        for (const [entry, it] of Object.entries(held)) if (claim(part, [key, entry])) target[entry] = it;
      } else if (LISTS.has(key) && Array.isArray(held) && (sofar === undefined || Array.isArray(sofar))) {
        value[key] = [...((sofar as unknown[] | undefined) ?? []), ...(held as unknown[])];
        items.set(key, [...(items.get(key) ?? []), ...held.map((_, index) => ({ part, index }))]);
      } else if (claim(part, [key])) value[key] = held;
    }
  }

  return {
    value,
    problems,
    place: (path) => {
      const [first, second, ...rest] = path;
      if (first === undefined) return parts[0]?.place([]) ?? null;
      const item = typeof second === 'number' ? items.get(String(first))?.[second] : undefined;
      if (item) return item.part.place([first, item.index, ...rest]);
      const part = owner.get(JSON.stringify([first, second])) ?? owner.get(JSON.stringify([first])) ?? parts[0];
      return part?.place(path) ?? null;
    },
  };
}
