import { KEY } from '../../manifest/problem.ts';
import type { Creator, Intruder } from '../catalog.ts';
import { quoted, type StoreCheck } from './context.ts';

/** Nobody whom the store does not trust can have code of theirs run as our role. */
export function checkPath(check: StoreCheck): void {
  const { path, role } = check.catalog;
  if (path === undefined) return;
  const at = ['stores', check.store, KEY];
  for (const intruder of path.intruders) {
    const { kind, name, owner } = intruder;
    check.add(
      'P160',
      at,
      `the ${kind} \`${name}\` belongs to role \`${owner}\`, and could run as \`${role.name}\``,
      removal(intruder, role.name),
    );
  }
  for (const creator of path.creators) {
    const who = creator.role === null ? 'everybody' : `role \`${creator.role}\``;
    check.add('P161', at, `${who} may create ${what(creator, role.name)}`, fix(creator, role.name));
  }
}

/** Ours is taken over; anything else goes. */
function removal({ kind, name }: Intruder, ours: string): string {
  if (kind === 'schema' || kind === 'table') return `alter ${kind} ${name} owner to ${quoted(ours)}`;
  return `drop ${kind === 'function' ? 'routine' : kind} ${name}`;
}

function what({ kind, name }: Creator, role: string): string {
  if (kind === 'database') return `a schema \`${role}\`, which the path of our role begins with`;
  return `operators and functions in the schema \`${name}\`, ${name === 'probity' ? 'which is ours alone' : 'which is in the path of our role'}`;
}

function fix({ kind, name, role }: Creator, ours: string): string {
  if (kind === 'database') return `create schema authorization ${quoted(ours)}`;
  return `revoke create on schema ${quoted(name)} from ${role === null ? 'public' : quoted(role)}`;
}
