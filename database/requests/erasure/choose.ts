import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { CatalogTable } from '../../../domain/catalog.ts';
import type { TableErasure } from '../../../domain/requests/model.ts';
import { StoreError } from '../../errors.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { candidates, wantedCandidates } from './candidates.ts';
import { readConstraints, type TableCheck, type TableConstraints } from './constraints.ts';
import { derivedText, liveColumn, maskValue, type MaskValue, type TableMasks } from './masks.ts';

/** Rows that a candidate is tried on. All rows of a chunk are tried once more before it changes anything. */
const SAMPLE = 200;
/** Checks over several masked columns ask for combinations: beyond these, a person should say what the columns are to hold. */
const MOST_COMBINATIONS = 200;

/** The masks of a table together with the checks that they must satisfy. */
export interface ChosenMasks extends TableMasks {
  readonly checks: readonly TableCheck[];
}

/**
 * Chooses for each column that an erasure may mask a value that its table accepts, by asking Postgres to judge it. Reads only, within a
 * transaction under `PRINTED`. Throws a `StoreError` of kind `constraint` that names table, column and constraint when none fits.
 */
export async function chooseMasks(trx: Transaction<unknown>, store: string, live: CatalogTable, plan: TableErasure): Promise<ChosenMasks> {
  const constraints = await readConstraints(trx, live.oid);
  const mentioned = plan.mentions.flatMap(({ columns }) => columns);
  const names = [...new Set([...plan.masks, ...plan.masksWhenPinned, ...mentioned])].filter(
    (name) => liveColumn(live, name).generated === null,
  );
  const changed = new Set([...names, ...plan.json.map((part) => part.column)]);
  const masks: TableMasks = { live, values: new Map(), key: rowKey(live, changed) };
  const chooser = new Chooser(trx, store, masks, constraints, plan.wanted);
  const fitting = new Map<string, MaskValue[]>();
  for (const name of names) fitting.set(name, await chooser.fitting(name));
  const values = new Map([...fitting].map(([name, found]) => [name, found[0]!]));
  const checks = constraints.checks.filter((check) => check.columns.some((column) => changed.has(column)));
  for (const check of checks.filter((it) => it.columns.length > 1)) await chooser.together(check, checks, fitting, values);
  return { ...masks, values, checks };
}

/** Why a column cannot hold what `on_erase` wants of it, as a clause; null where it can. Within a transaction under `PRINTED`. */
export async function unfitWanted(
  trx: Transaction<unknown>,
  store: string,
  live: CatalogTable,
  name: string,
  wanted: TableErasure['wanted'][string],
): Promise<string | null> {
  const masks: TableMasks = { live, values: new Map(), key: rowKey(live, new Set([name])) };
  try {
    await new Chooser(trx, store, masks, await readConstraints(trx, live.oid), { [name]: wanted }).fitting(name);
    return null;
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'constraint') throw error;
    return error.constraint === undefined ? 'its type or a unique index refuses it' : `the check \`${error.constraint}\` refuses it`;
  }
}

/** The primary key, or else another key whose columns are all there and are not masked. */
function rowKey(live: CatalogTable, masked: ReadonlySet<string>): readonly string[] {
  const keys = [...(live.primaryKey === null ? [] : [live.primaryKey]), ...live.uniques];
  const stays = (name: string): boolean => !masked.has(name) && !liveColumn(live, name).nullable;
  return keys.find((key) => key.length > 0 && key.every(stays)) ?? [];
}

class Chooser {
  readonly #trx: Transaction<unknown>;
  readonly #store: string;
  readonly #masks: TableMasks;
  readonly #constraints: TableConstraints;
  readonly #wanted: TableErasure['wanted'];
  readonly #table: string;

  constructor(trx: Transaction<unknown>, store: string, masks: TableMasks, constraints: TableConstraints, wanted: TableErasure['wanted']) {
    this.#trx = trx;
    this.#store = store;
    this.#masks = masks;
    this.#constraints = constraints;
    this.#wanted = wanted;
    this.#table = `${masks.live.schema}.${masks.live.name}`;
  }

  /** Candidates that satisfy everything that looks at this column alone, best first; at least one. */
  async fitting(name: string): Promise<MaskValue[]> {
    const { live, key } = this.#masks;
    const column = liveColumn(live, name);
    const integerKey = key.length === 1 && /^int[248]$/.test(liveColumn(live, key[0]!).baseType);
    const alone = this.#constraints.checks.filter((check) => check.columns.length === 1 && check.columns[0] === name);
    const needed = this.#constraints.checks.some((check) => check.columns.length > 1 && check.columns.includes(name));
    const found: MaskValue[] = [];
    let failed: string | undefined;
    const wanted = Object.hasOwn(this.#wanted, name) ? this.#wanted[name] : undefined;
    const tried =
      wanted === undefined
        ? candidates(column, this.#constraints, integerKey)
        : wantedCandidates(wanted, column, this.#constraints, integerKey);
    for (const value of tried) {
      const refusal = await this.#refusal(name, value, alone);
      if (refusal === null) found.push(value);
      else failed ??= refusal;
      // Only checks over several columns may ask for a second choice.
      if (found.length > 0 && !needed) break;
    }
    if (found.length > 0) return found;
    const unique = this.#constraints.unique.has(name) ? ' (it stands in a unique index)' : '';
    const sentence =
      wanted === undefined
        ? `no value that says nothing about the person fits the column ${name}${unique}: say by \`on_erase\` what it is to hold, or let it be null`
        : `what \`on_erase\` wants the column ${name} to hold does not fit it${unique}: name another value`;
    throw this.#unfit(sentence, failed);
  }

  /** The constraint that refuses it, `` for its type; null when nothing does. */
  async #refusal(name: string, value: MaskValue, alone: readonly TableCheck[]): Promise<string | null> {
    const column = liveColumn(this.#masks.live, name);
    if (value.kind === 'constant' && value.text === null && alone.length === 0) return null;
    const mask = maskValue(this.#masks, name, value, 't');
    const raw = value.kind === 'constant' ? sql`${value.text}::text` : derivedText(this.#masks, column, value.form, 't');
    // A cast to a type with a length cuts without a word.
    const whole =
      column.typeCategory === 'string' ? sql`(${mask})::text is not distinct from ${raw}` : sql`length(coalesce((${mask})::text, '')) >= 0`;
    const rows = value.kind === 'constant' ? sql`(select 1) as t` : this.#keys();
    const judged = sql`(select ${mask} as ${ident(name)}, ${whole} as ${ident('is whole')} from ${rows}) as masked`;
    const fits = alone.map((check) => sql`coalesce(bool_and((${sql.raw(check.expression)}) is not false), true)`);
    const different =
      value.kind === 'derived' && this.#constraints.unique.has(name) ? sql`count(distinct ${ident(name)}::text) = count(*)` : sql`true`;
    const ok = await this.#ask(
      sql`select array[${sql.join([sql`coalesce(bool_and(${ident('is whole')}), true)`, different, ...fits])}] as ok from ${judged}`,
    );
    if (ok === null || !ok[0] || !ok[1]) return '';
    const broken = alone.findIndex((_, index) => ok[index + 2] !== true);
    return broken < 0 ? null : alone[broken]!.name;
  }

  /** Keys of some rows, and one that stands for a row of a table that is still empty. */
  #keys(): RawBuilder<unknown> {
    const { live, key } = this.#masks;
    if (key.length === 0) return sql`(select 1) as t`;
    const names = key.map((name) => ident(name));
    const made = key.map((name) => sql`null::${sql.raw(liveColumn(live, name).type)} as ${ident(name)}`);
    return sql`(
      (select ${sql.join(names)} from ${tableRef(this.#table)} limit ${sql.lit(SAMPLE)}) union all select ${sql.join(made)}) as t`;
  }

  /** Changes choices until a check over several columns holds, in rows as they are, and those that were settled before still do. */
  async together(
    check: TableCheck,
    all: readonly TableCheck[],
    fitting: ReadonlyMap<string, readonly MaskValue[]>,
    values: Map<string, MaskValue>,
  ): Promise<void> {
    const settled = all.slice(0, all.indexOf(check) + 1).filter((it) => it.columns.length > 1);
    const open = check.columns.filter((column) => fitting.has(column));
    if (open.length === 0) return;
    let tried = 0;
    for (const combination of combinations(open.map((column) => fitting.get(column)!))) {
      if (++tried > MOST_COMBINATIONS) break;
      const attempt = new Map([...values, ...open.map((column, index) => [column, combination[index]!] as const)]);
      if (await this.#holds(settled, attempt)) {
        for (const [column, value] of attempt) values.set(column, value);
        return;
      }
    }
    throw this.#unfit(`no values for ${open.join(', ')} fit together`, check.name);
  }

  async #holds(checks: readonly TableCheck[], values: ReadonlyMap<string, MaskValue>): Promise<boolean> {
    const { live } = this.#masks;
    const columns = live.columns.map(({ name }) => {
      const value = values.get(name);
      return sql`${value === undefined ? ident('t', name) : maskValue(this.#masks, name, value, 't')} as ${ident(name)}`;
    });
    const fits = checks.map((check) => sql`coalesce(bool_and((${sql.raw(check.expression)}) is not false), true)`);
    const rows = sql`(select ${sql.join(columns)} from ${tableRef(this.#table)} as t limit ${sql.lit(SAMPLE)}) as masked`;
    const ok = await this.#ask(sql`select array[${sql.join(fits)}] as ok from ${rows}`);
    return ok !== null && ok.every((it) => it);
  }

  /** Null when Postgres could not even compute it. */
  async #ask(question: RawBuilder<unknown>): Promise<readonly boolean[] | null> {
    await sql`savepoint mask`.execute(this.#trx);
    try {
      const { rows } = await (question as RawBuilder<{ ok: boolean[] }>).execute(this.#trx);
      await sql`release savepoint mask`.execute(this.#trx);
      return rows[0]?.ok ?? [];
    } catch (error) {
      // Only what the server says of the value; a lost connection is none of it.
      if ((error as { severity?: unknown }).severity === undefined) throw error;
      await sql`rollback to savepoint mask`.execute(this.#trx);
      return null;
    }
  }

  #unfit(sentence: string, constraint: string | undefined): StoreError {
    const named = constraint === undefined || constraint === '' ? {} : { constraint };
    return new StoreError({
      store: this.#store,
      table: this.#table,
      code: 'PB006',
      kind: 'constraint',
      retryable: false,
      sentence,
      ...named,
    });
  }
}

function* combinations(choices: readonly (readonly MaskValue[])[]): Generator<readonly MaskValue[]> {
  const [first, ...others] = choices;
  if (first === undefined) return void (yield []);
  for (const rest of combinations(others)) for (const value of first) yield [value, ...rest];
}
