import type { ColumnDeclaration, Manifest, TableDeclaration } from '../../manifest/model.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import type { Step, ViewColumn, ViewFinding } from './model.ts';
import { keyDomains } from './pseudonyms.ts';
import type { RawWay } from './ways.ts';

const KEY = 'key';

export interface ColumnsOf {
  readonly store: string;
  readonly purpose: string;
  readonly live: CatalogTable;
  readonly declared: TableDeclaration;
  readonly manifest: Manifest;
  readonly hops: readonly Step[];
  readonly ways: readonly RawWay[];
}

/** The columns that a purpose may see, in the table's order; none when it covers nothing but keys. */
export function viewColumns(of: ColumnsOf): { readonly columns: readonly ViewColumn[]; readonly findings: readonly ViewFinding[] } {
  const { live, declared, purpose } = of;
  const findings: ViewFinding[] = [];
  const covered = live.columns.filter((column) => isCovered(declared, column.name, purpose));
  const wholeTable = declared.purposes.includes(purpose);
  if (!wholeTable && !covered.some((column) => !isKey(of, column))) return { columns: [], findings };
  const named = subjectColumns(of);
  const columns = live.columns.flatMap((column): ViewColumn[] => {
    const { name } = column;
    // Without the subject's pseudonym nobody could count people or join what is about the same ones.
    if (named.has(name)) return [pseudonym(of, name)];
    if (!covered.includes(column)) return [];
    if (isKey(of, column)) return [pseudonym(of, name)];
    const paths = declared.json.filter((it) => it.column === name);
    if (paths.length === 0) return [{ kind: 'plain', name }];
    const without = paths.map((it) => plainPath(it.path));
    if ((column.baseType !== 'json' && column.baseType !== 'jsonb') || without.some((it) => it === null)) {
      const message = `\`${name}\` is left out: a path of personal data in it is more than names and numbers`;
      findings.push({
        code: 'json',
        purpose,
        about: `${of.store}.${live.schema}.${live.name}`,
        message,
        fix: 'declare paths such as $.contact.email',
      });
      return [];
    }
    return [{ kind: 'json', name, type: column.baseType, without: without.filter((it) => it !== null) }];
  });
  return { columns, findings };
}

/** An identifying column needs a purpose of its own: what a table is for says too little about a name or an address. */
function isCovered(declared: TableDeclaration, column: string, purpose: string): boolean {
  if (declared.columns === null) return declared.purposes.includes(purpose);
  const said: ColumnDeclaration | undefined = declared.columns[column];
  if (said === undefined) return false;
  return said.purposes?.includes(purpose) ?? (!said.identifying && declared.purposes.includes(purpose));
}

/** What would join the views of two purposes. In a table that is not classified: primary keys (but times of partitions) and references. */
function isKey({ declared, live, hops }: ColumnsOf, column: CatalogColumn): boolean {
  if (declared.columns !== null) return declared.columns[column.name]?.category === KEY;
  const table = `${live.schema}.${live.name}`;
  const primary = live.primaryKey?.includes(column.name) === true && column.typeCategory !== 'time';
  return primary || hops.some((step) => !step.many && step.from === table && step.columns.includes(column.name));
}

/** Columns that carry a subject's key. An address is none: it is shown only where a purpose covers it. */
function subjectColumns({ ways }: ColumnsOf): ReadonlySet<string> {
  const here = ways.filter((way) => way.steps.length === 0 && way.end.identity === 'key');
  return new Set(here.flatMap((way) => way.end.columns));
}

function pseudonym({ live, store, hops, manifest }: ColumnsOf, name: string): ViewColumn {
  return {
    kind: 'pseudonym',
    name,
    domains: keyDomains(`${live.schema}.${live.name}`, name, store, hops, manifest),
    shownIf: null,
    kept: null,
  };
}

/** `$.contact.email` and `$.items[0]."zip code"` as their parts; null for anything that matches more than one place. */
export function plainPath(path: string): string[] | null {
  const parts: string[] = [];
  let rest = path.trim().replace(/^(strict|lax)\s+/, '');
  if (!rest.startsWith('$')) return null;
  rest = rest.slice(1);
  while (rest !== '') {
    const match = /^(?:\.([A-Za-z_][A-Za-z0-9_]*)|\."([^"\\]+)"|\[(\d+)\])/.exec(rest);
    if (match === null) return null;
    parts.push(match[1] ?? match[2] ?? match[3] ?? '');
    rest = rest.slice(match[0].length);
  }
  return parts.length === 0 ? null : parts;
}
