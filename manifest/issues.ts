import { z } from 'zod';
import { problem, type Code } from './codes.ts';
import { nearest } from './nearest.ts';
import { KEY, type Path, type Place, type Problem } from './problem.ts';
import { manifestSchema } from './schema/root.ts';
import { isValues, valueAt } from './values.ts';

type Issue = z.core.$ZodIssue;

/** One thing that the schema refused: what to say, and the value to leave out so that the rest can still be checked. */
export interface Refusal {
  readonly problem: Problem;
  readonly culprit: Path;
}

/** zod's issues as problems of ours, each with its place and what to write instead. */
export function refusals(issues: readonly Issue[], root: unknown, place: (path: Path) => Place | null): Refusal[] {
  return issues.flatMap((issue) => refusal(issue, [], root, place));
}

function refusal(issue: Issue, above: Path, root: unknown, place: (path: Path) => Place | null): Refusal[] {
  const path: Path = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  const one = (code: Code, message: string, fix: string | null, at: Path = path): Refusal[] => [
    { problem: problem(code, place(at), message, fix), culprit: at.at(-1) === KEY ? at.slice(0, -1) : at },
  ];
  const spelled = path.length === 0 ? 'the manifest' : `\`${String(path.at(-1))}\``;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(path);
      return issue.keys.flatMap((key) => {
        const near = nearest(key, known);
        const fix = near ? `write \`${near}\`` : `known here: ${known.join(', ')}`;
        return one('P004', `unknown key \`${key}\``, fix, [...path, key, KEY]);
      });
    }
    case 'invalid_key':
      return issue.issues.flatMap((inner) => custom(inner, [...path, KEY]));
    case 'invalid_union':
      return union(issue, path);
    case 'custom':
      return custom(issue, path);
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      const value = valueAt(root, path);
      if (value === undefined) return one('P005', `${spelled} is missing`, `write one of ${allowed.join(', ')}`);
      const near = typeof value === 'string' ? nearest(value, allowed) : null;
      return one(
        'P006',
        `${spelled} cannot be ${JSON.stringify(value)}`,
        near ? `write \`${near}\`` : `write one of ${allowed.join(', ')}`,
      );
    }
    case 'invalid_type': {
      const value = valueAt(root, path);
      const wanted = wantedAt(path, KINDS[issue.expected] ?? issue.expected);
      return value === undefined
        ? one('P005', `${spelled} is missing`, `write ${wanted}`)
        : one('P005', `${spelled} is ${kindOf(value)}`, `write ${wanted}`);
    }
    case 'too_small':
      return one('P006', `${spelled} is too small or empty`, `at least ${String(issue.minimum)}`);
    case 'too_big':
      return one('P006', `${spelled} is too large`, `at most ${String(issue.maximum)}`);
    default:
      return one('P006', `${spelled}: ${issue.message}`, null);
  }

  function custom(it: Issue, at: Path): Refusal[] {
    const params = it.code === 'custom' ? (it.params as { code?: Code; fix?: string | null } | undefined) : undefined;
    return one(
      params?.code ?? 'P006',
      params?.code ? it.message : `\`${String(at.findLast((step) => step !== KEY))}\` ${it.message}`,
      params?.fix ?? null,
      at,
    );
  }

  /** Of several spellings, the one that was most likely meant: of the right kind, then with the fewest faults. */
  function union(it: Extract<Issue, { code: 'invalid_union' }>, at: Path): Refusal[] {
    const value = valueAt(root, at);
    const fitting = it.errors.filter(
      (branch) => !branch.some((inner) => inner.path.length === 0 && inner.code !== 'unrecognized_keys' && inner.code !== 'custom'),
    );
    const faults = (branch: readonly Issue[]): number =>
      branch.reduce((sum, inner) => sum + (inner.code === 'unrecognized_keys' ? inner.keys.length : 1), 0);
    const best = fitting.toSorted((a, b) => faults(a) - faults(b))[0];
    if (best) return best.flatMap((inner) => refusal(inner, at, root, place));
    const wanted = it.errors.flatMap((branch) => branch.filter((inner) => inner.path.length === 0).flatMap(expected));
    if (value === undefined) return one('P005', `${spelled} is missing`, `write ${wanted.join(' or ')}`);
    const near =
      typeof value === 'string'
        ? nearest(
            value,
            it.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : [])),
          )
        : null;
    const shown =
      isValues(value) || Array.isArray(value) ? `${spelled} is ${kindOf(value)}` : `${spelled} cannot be ${JSON.stringify(value)}`;
    return one('P006', shown, near ? `write \`${near}\`` : `write ${[...new Set(wanted)].join(' or ')}`);
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  record: 'a map of keys',
  array: 'a list, such as [a, b]',
  null: 'null',
};

function expected(issue: Issue): string[] {
  if (issue.code === 'invalid_type') return [KINDS[issue.expected] ?? issue.expected];
  return issue.code === 'invalid_value' ? [issue.values.map((it) => `\`${String(it)}\``).join(', ')] : [];
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map of keys';
  return typeof value === 'string' ? 'a text' : `${typeof value === 'number' ? 'a number' : 'true or false'}`;
}

/** Keys that the schema knows at a path; those of every spelling where there are several. */
function knownKeys(path: Path): string[] {
  const shapes = schemasAt(manifestSchema, path).filter((it) => it instanceof z.ZodObject);
  return [...new Set(shapes.flatMap((it) => Object.keys(it.shape as object)))].filter((key) => key !== '$schema');
}

/** `a text, such as P90D`: the examples that the schema has for a place. */
function wantedAt(path: Path, kind: string): string {
  const hint = schemasAt(manifestSchema, path).map((it) => z.globalRegistry.get(it) as { examples?: readonly string[] } | undefined);
  const examples = hint.flatMap((it) => it?.examples ?? []);
  return examples.length > 0 ? `${kind}, such as ${examples.join(', ')}` : kind;
}

/** The schemas that a value at the path is judged by; several where several spellings are allowed. */
function schemasAt(schema: z.core.$ZodType, path: Path): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return schemasAt(schema.unwrap(), path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => schemasAt(option, path));
  const [step, ...rest] = path;
  if (step === undefined) return [schema];
  if (schema instanceof z.ZodObject) {
    const inner = (schema.shape as Readonly<Record<string, z.core.$ZodType>>)[step];
    return inner ? schemasAt(inner, rest) : [];
  }
  if (schema instanceof z.ZodRecord) return schemasAt(schema.valueType, rest);
  return schema instanceof z.ZodArray ? schemasAt(schema.element, rest) : [];
}
