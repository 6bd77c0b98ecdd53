import { inStore } from '../../manifest/ids.ts';
import type { Mask, RetentionAction } from '../../manifest/model.ts';
import { KEY, type Path } from '../../manifest/problem.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { liveColumn, liveTable, ruled, type RuledTable, type StoreCheck } from './context.ts';

/** What a rule writes fits where it writes it: masks into their columns, sums into their target. */
export function checkActions(check: StoreCheck): void {
  for (const table of ruled(check)) {
    const { then } = table.rule;
    const at: Path = [...table.at, 'retention', 'then'];
    if (then.kind === 'mask') {
      for (const [name, mask] of Object.entries(then.columns)) {
        const path: Path = [...at, 'mask', name];
        const column = liveColumn(check, table.live, name, [...path, KEY]);
        if (column) masked(check, table.live, column, mask, path);
      }
    }
    if (then.kind === 'aggregate') aggregate(check, table, then, at);
  }
}

function masked(check: StoreCheck, live: CatalogTable, column: CatalogColumn, mask: Mask, path: Path): void {
  const { name } = column;
  const cannot = (why: string, fix: string | null = null): void => check.add('P115', path, `\`${name}\` cannot be masked: ${why}`, fix);
  if (column.generated) return cannot('it is generated', 'mask the columns that it is made from');
  if (live.primaryKey?.includes(name)) return cannot('it is part of the primary key');
  if (mask.with === 'null' && !column.nullable) return cannot('it is NOT NULL', 'write `{ constant: … }`');
  if (mask.with === 'truncate' && column.typeCategory !== 'time')
    return cannot(`it is of type ${column.type}, and only times are truncated`);
  if (mask.with === 'constant') {
    const why = misfit(column, mask.value);
    if (why !== null) return cannot(why);
  }
  const may = (what: string): void => check.add('P116', path, `the mask of \`${name}\` may break ${what}`);
  for (const constraint of live.checks) {
    if (mentions(constraint.definition, name)) may(`the check \`${constraint.name}\`: ${constraint.definition}`);
  }
  if (mask.with === 'null') return;
  if (live.uniques.some((unique) => unique.includes(name))) may('a unique index, since many rows get the same value');
  for (const key of live.foreignKeys) if (key.columns.includes(name)) may(`the foreign key \`${key.name}\``);
}

/** Why a constant cannot be a value of the column, in a clause; null when it can, or when only Postgres knows. */
export function misfit(column: CatalogColumn, value: string | number | boolean): string | null {
  const kind = { string: 'a text', number: 'a number', boolean: 'true or false' }[typeof value as 'string' | 'number' | 'boolean'];
  const wrong = `it is of type ${column.type}, and the constant is ${kind}`;
  switch (column.typeCategory) {
    case 'string': {
      if (typeof value !== 'string') return wrong;
      const length = /^(?:character varying|character)\((\d+)\)$/.exec(column.type)?.[1];
      return length !== undefined && [...value].length > Number(length) ? `the constant is longer than ${column.type}` : null;
    }
    case 'number':
      return typeof value === 'number' ? null : wrong;
    case 'boolean':
      return typeof value === 'boolean' ? null : wrong;
    case 'uuid':
      return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? null : wrong;
    case 'time':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? null : wrong;
    case 'enum':
      return typeof value === 'string' ? null : wrong;
    default:
      return null;
  }
}

function mentions(definition: string, column: string): boolean {
  const escaped = column.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(String.raw`(?<![\w$])"?${escaped}"?(?![\w$])`).test(definition);
}

function aggregate(check: StoreCheck, source: RuledTable, then: Extract<RetentionAction, { kind: 'aggregate' }>, at: Path): void {
  const target = liveTable(check, then.into, [...at, 'aggregate_into']);
  if (!target) return;
  const name = inStore(then.into);
  const misfits = (path: Path, message: string, fix: string | null = null): void => check.add('P117', path, message, fix);

  for (const [to, from] of Object.entries(then.by)) {
    const path: Path = [...at, 'by', to];
    const into = liveColumn(check, target, to, [...path, KEY]);
    const origin = liveColumn(check, source.live, 'date' in from ? from.date : from.column, 'date' in from ? [...path, 'date'] : path);
    if (!into || !origin) continue;
    if (into.generated) misfits([...path, KEY], `\`${name}.${to}\` is generated`);
    if ('date' in from) {
      if (origin.typeCategory !== 'time')
        check.add('P106', [...path, 'date'], `\`${from.date}\` is of type ${origin.type}, which is no time`);
      if (into.baseType !== 'date') misfits([...path, KEY], `\`${name}.${to}\` is of type ${into.type}, and a day is a date`);
    } else if (into.typeCategory !== origin.typeCategory) {
      misfits(path, `\`${name}.${to}\` is of type ${into.type}, and \`${from.column}\` of type ${origin.type}`);
    }
    if (origin.nullable && !into.nullable) {
      check.add('P117', path, `\`${origin.name}\` may be NULL and \`${name}.${to}\` may not: such rows would stay`, null, 'warning');
    }
  }

  for (const [to, measure] of Object.entries(then.measures)) {
    const path: Path = [...at, 'measures', to];
    const into = liveColumn(check, target, to, [...path, KEY]);
    const origin = measure.of === 'count' ? null : liveColumn(check, source.live, measure.column, [...path, measure.of]);
    if (!into) continue;
    if (to in then.by) misfits([...path, KEY], `\`${to}\` is a group and a measure`);
    if (into.generated) misfits([...path, KEY], `\`${name}.${to}\` is generated`);
    if (measure.of === 'count' && into.typeCategory !== 'number')
      misfits([...path, KEY], `\`${name}.${to}\` is of type ${into.type}, and a count is a number`);
    if (!origin) continue;
    if (measure.of === 'sum' && origin.typeCategory !== 'number')
      misfits([...path, 'sum'], `\`${origin.name}\` is of type ${origin.type} and cannot be summed`);
    else if (into.typeCategory !== origin.typeCategory)
      misfits(path, `\`${name}.${to}\` is of type ${into.type}, and \`${origin.name}\` of type ${origin.type}`);
  }

  const groups = Object.keys(then.by);
  if (!target.uniques.some((unique) => unique.length === groups.length && unique.every((column) => groups.includes(column)))) {
    const fix = `create unique index on "${target.schema}"."${target.name}" (${groups.map((it) => `"${it}"`).join(', ')})`;
    check.add('P118', [...at, 'by', KEY], `\`${name}\` has no unique key over ${groups.join(', ')}`, fix);
  }
  const filled = new Set([...groups, ...Object.keys(then.measures)]);
  const unfilled = target.columns.filter((it) => !it.nullable && !it.hasDefault && !it.identity && !it.generated && !filled.has(it.name));
  for (const column of unfilled)
    misfits([...at, 'aggregate_into'], `\`${name}.${column.name}\` is NOT NULL and nothing fills it`, 'add it to `by` or `measures`');
  if (target.kind === 'view' || target.refused !== null) {
    check.add('P124', [...at, 'aggregate_into'], `\`${name}\` cannot be written: ${target.refused ?? 'it is a view'}`);
  }
}
