import type { TableDeclaration } from '../../manifest/model.ts';
import { referenceTarget } from '../retention/graph.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { identityOf, inOrder, type ErasureGraph } from './graph.ts';
import { maskableColumns, namingColumns } from './maskable.ts';
import type { ErasureScope, PersonalPart, RemainingPurpose, TableErasure } from './model.ts';
import { fateOf, unchosenFate, type Fate } from './personal.ts';

const JSON_TYPES: readonly string[] = ['json', 'jsonb'];

export type Judged = Pick<TableErasure, 'rows' | 'masks' | 'masksWhenPinned' | 'wanted' | 'spared' | 'json' | 'keptBy'>;

/** What a request does to the rows and columns of a declared table, when nothing but purposes decides. */
export function judgeTable(
  graph: ErasureGraph,
  table: string,
  declared: TableDeclaration,
  before: TableDeclaration | undefined,
  scope: ErasureScope,
): Judged {
  const live = graph.catalog.tables[table]!;
  const uses = new Uses(declared, before, scope);
  const rows = uses.isRowEnded(live.columns) ? 'delete' : 'mask';
  const isMasked = (fate: Fate, name: string): boolean => (rows === 'delete' ? fate === 'goes' : fate !== 'stays' && uses.isEnded(name));
  const naming = namingColumns(graph, table);
  const maskable = maskableColumns(graph, table, live, declared).map((column) => {
    const said = declared.columns?.[column.name];
    const names = naming.has(column.name);
    return { name: column.name, said, fate: fateOf(column, live, said, names), unchosen: unchosenFate(column, live, said, names) };
  });
  const masked = maskable.filter(({ name, fate }) => isMasked(fate, name));
  const names = masked.map(({ name }) => name);
  const json = personalParts(graph, live, declared).filter(({ column }) => uses.isEnded(column));
  return {
    rows: rows === 'mask' && names.length === 0 ? 'keep' : rows,
    masks: rows === 'delete' ? [] : names,
    masksWhenPinned: rows === 'delete' ? names : [],
    wanted: Object.fromEntries(
      masked.flatMap(({ name, said }) => (said?.onErase?.with === undefined || said.onErase.with === 'keep' ? [] : [[name, said.onErase]])),
    ),
    spared: maskable.flatMap(({ name, said, fate, unchosen }) =>
      isMasked(unchosen, name) && !isMasked(fate, name) ? [{ column: name, because: said?.because ?? null }] : [],
    ),
    json,
    keptBy: rows === 'delete' ? [] : uses.keepers(live.columns),
  };
}

/** Live columns that the manifest of a classified table does not know. */
export function unclassifiedColumns(live: CatalogTable, { columns }: TableDeclaration): string[] {
  return columns === null ? [] : live.columns.filter(({ name }) => !Object.hasOwn(columns, name)).map(({ name }) => name);
}

/** Which purposes use a table and its columns, and which of these go on. */
export class Uses {
  readonly #declared: TableDeclaration;
  /** What was declared when the request came; a purpose that was added since keeps nothing. */
  readonly #before: TableDeclaration | undefined;
  readonly #scope: ErasureScope;

  constructor(declared: TableDeclaration, before: TableDeclaration | undefined, scope: ErasureScope) {
    this.#declared = declared;
    this.#before = before;
    this.#scope = scope;
  }

  /** Whether nothing keeps the column and the request is about it; `null` asks for the table itself. */
  isEnded(column: string | null): boolean {
    return this.#isAbout(column) && !this.#scope.remaining.some((it) => this.#keeps(it, column));
  }

  isRowEnded(columns: readonly CatalogColumn[]): boolean {
    // What serves nothing keeps nothing, and what serves another purpose keeps the row although the request is not about it.
    const goes = (name: string): boolean => this.isEnded(name) || this.#purposes(name).length === 0;
    return this.isEnded(null) && columns.every(({ name }) => goes(name));
  }

  keepers(columns: readonly CatalogColumn[]): RemainingPurpose[] {
    return this.#scope.remaining.filter((it) => this.#keeps(it, null) || columns.some(({ name }) => this.#keeps(it, name)));
  }

  #isAbout(column: string | null): boolean {
    const { ended } = this.#scope;
    if (ended === null) return true;
    return [...this.#purposes(column), ...purposesOf(this.#before, column)].some((it) => ended.includes(it));
  }

  #keeps({ purpose, basis }: RemainingPurpose, column: string | null): boolean {
    // How long the law keeps a row says the floor, and nothing keeps it for the law after that.
    if (basis === 'legal_obligation' && this.#declared.floor !== null) return false;
    return this.#purposes(column).includes(purpose) && purposesOf(this.#before, column).includes(purpose);
  }

  #purposes(column: string | null): readonly string[] {
    return purposesOf(this.#declared, column);
  }
}

function purposesOf(declared: TableDeclaration | undefined, column: string | null): readonly string[] {
  if (declared === undefined) return [];
  return (column === null ? null : declared.columns?.[column]?.purposes) ?? declared.purposes;
}

/** Where the manifest says that JSON names the subject. */
export function personalParts(graph: ErasureGraph, live: CatalogTable, { json }: TableDeclaration): PersonalPart[] {
  const { manifest, subject } = graph;
  const parts = json.flatMap(({ column, path, refers, onErase }): PersonalPart[] => {
    const target = refers === null ? null : referenceTarget(refers, manifest);
    if (target === null || `${target.store}.${target.table}` !== manifest.subjects[subject]?.table) return [];
    const identity = identityOf(graph, target.columns);
    const isJson = live.columns.some((it) => it.name === column && JSON_TYPES.includes(it.baseType));
    return identity === null || !isJson ? [] : [{ column, path, identity, onErase }];
  });
  return inOrder(parts);
}
