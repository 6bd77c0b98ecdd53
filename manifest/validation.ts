import type { Code } from './codes.ts';
import { storeOf } from './ids.ts';
import type { Manifest } from './model.ts';
import { nearest } from './nearest.ts';
import type { Path, Problem } from './problem.ts';

/** Names that the user declared, right or wrong inside: a faulty purpose is still no unknown purpose. */
export interface Names {
  readonly stores: readonly string[];
  readonly purposes: readonly string[];
  readonly subjects: readonly string[];
}

export type Add = (code: Code, path: Path, message: string, fix?: string | null, severity?: Problem['severity']) => void;
export interface Check {
  readonly manifest: Manifest;
  readonly names: Names;
  readonly add: Add;
}

/** Says when there is no such store. */
export function knownStore({ names, add }: Check, id: string, path: Path): boolean {
  const store = storeOf(id);
  if (names.stores.includes(store)) return true;
  const near = nearest(store, names.stores) ?? (names.stores.length === 1 ? names.stores[0]! : null);
  add(
    'P012',
    path,
    `there is no store \`${store}\``,
    near ? `write \`${near}${id.slice(store.length)}\`` : declared('stores', names.stores),
  );
  return false;
}

export function declared(what: string, names: readonly string[]): string {
  return names.length === 0 ? `declare it under \`${what}\`` : `declared ${what}: ${names.join(', ')}`;
}
