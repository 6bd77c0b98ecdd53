import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { problem } from './codes.ts';
import { manifestHash } from './hash.ts';
import { mergeParts } from './merge.ts';
import type { Manifest } from './model.ts';
import { parseManifest } from './parse.ts';
import { KEY, type Path, type Problem } from './problem.ts';
import { moduleSource, parseText, type Part, type Source } from './source.ts';

export interface LoadedManifest {
  /** Null when there is any error. */
  readonly manifest: Manifest | null;
  /** The manifest's version; null without a manifest. */
  readonly hash: string | null;
  /** All problems at once, in the order of files and lines. */
  readonly problems: readonly Problem[];
  readonly source: Source;
  /** The manifest without its faulty parts, so that a check can say more at once. Never plan or run with it. */
  readonly remainder: Manifest | null;
}

const TEXTS: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json']);
const MODULES: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs']);

/**
 * Loads a YAML or JSON file, a folder of them (merged by name; schemas are skipped), or a module whose default export
 * is `defineManifest({…})`. Never throws for what is wrong with the manifest: that is in `problems`.
 */
export async function loadManifest(path: string): Promise<LoadedManifest> {
  const kind = await kindOf(path);
  if (kind === null) return failed(path, `there is no file or folder ${path}`);
  if (kind === 'folder') {
    const files = (await readdir(path)).filter((file) => TEXTS.has(extname(file)) && !file.endsWith('.schema.json')).sort();
    if (files.length === 0) return failed(path, `the folder ${path} holds no .yaml, .yml or .json file`);
    return fromParts(await Promise.all(files.map((file) => readPart(join(path, file)))));
  }
  if (MODULES.has(extname(path))) return fromModule(path);
  if (!TEXTS.has(extname(path))) return failed(path, `${path} is neither YAML, JSON nor a module`);
  return fromParts([await readPart(path)]);
}

/** The same for text that is at hand already, such as a stored version or a draft. */
export function parseManifestText(text: string, file = 'manifest.yaml'): LoadedManifest {
  return fromParts([parseText(file, text)]);
}

/** The same for plain values in the user's spelling, such as the argument of `defineManifest`. */
export function parseManifestValue(value: unknown, file = 'manifest'): LoadedManifest {
  const source = moduleSource(file);
  const plain = plainValue(value);
  return fromValue(plain, forbiddenNames(plain, source.place), source);
}

/** JavaScript's own word for what an object inherits from: a thing of that name would silently be left out. */
const FORBIDDEN = '__proto__';

function forbiddenNames(value: unknown, place: Source['place'], at: Path = []): Problem[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, held]) => {
    const path = [...at, Array.isArray(value) ? Number(key) : key];
    if (key !== FORBIDDEN) return forbiddenNames(held, place, path);
    return [
      problem('P006', place([...path, KEY]), `nothing can be called \`${FORBIDDEN}\``, 'choose another name, and rename what is called so'),
    ];
  });
}

async function readPart(file: string): Promise<Part> {
  return parseText(file, await readFile(file, 'utf8'));
}

function fromParts(parts: readonly Part[]): LoadedManifest {
  const merged = mergeParts(parts);
  const problems = [...parts.flatMap((part) => [...part.problems, ...forbiddenNames(part.value, part.place)]), ...merged.problems];
  // Without one file's content everything that it declares would look unknown.
  if (parts.some((part) => part.broken)) return { manifest: null, hash: null, problems, source: merged, remainder: null };
  return fromValue(merged.value, problems, merged);
}

async function fromModule(path: string): Promise<LoadedManifest> {
  const url = pathToFileURL(resolve(path));
  // A module is cached by its address: the time of its last change makes an edited file load again.
  url.searchParams.set('changed', String((await stat(path)).mtimeMs));
  let module: { readonly default?: unknown };
  try {
    module = (await import(url.href)) as { readonly default?: unknown };
  } catch (error) {
    return failed(path, `${path} cannot be loaded: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
  }
  if (module.default === undefined) return failed(path, `${path} has no default export`, 'write `export default defineManifest({ … })`');
  return parseManifestValue(module.default, path);
}

function fromValue(value: unknown, before: readonly Problem[], source: Source): LoadedManifest {
  const parsed = parseManifest(value, source.place);
  const problems = inOrder([...before, ...parsed.problems]);
  const manifest = problems.some((it) => it.severity === 'error') ? null : parsed.remainder;
  return { manifest, hash: manifest && manifestHash(manifest), problems, source, remainder: parsed.remainder };
}

/** By file, then line and column, as a compiler does; what has no place comes first. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  const key = (it: Problem): [string, number, number] => [it.place?.file ?? '', it.place?.line ?? 0, it.place?.column ?? 0];
  return problems.toSorted((a, b) => {
    const [fileA, lineA, columnA] = key(a);
    const [fileB, lineB, columnB] = key(b);
    return fileA < fileB ? -1 : fileA > fileB ? 1 : lineA - lineB || columnA - columnB;
  });
}

function failed(path: string, message: string, fix: string | null = null): LoadedManifest {
  const source = moduleSource(path);
  return { manifest: null, hash: null, problems: [problem('P001', source.place([]), message, fix)], source, remainder: null };
}

async function kindOf(path: string): Promise<'file' | 'folder' | null> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return null;
  }
}

/** What JSON keeps of a module's value: an explicit `undefined` is the same as nothing said, and a function is no data. */
function plainValue(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? 'null') as unknown;
}
