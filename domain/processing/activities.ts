import { basisOf, channelsOf, regimesOf } from '../../manifest/basis.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Purpose, TableId } from '../../manifest/model.ts';
import { storeCheck } from '../check/context.ts';
import { tablesOfSubjects } from '../check/ways.ts';
import { estimatedRows, isPersonal, usedColumns, type UsedColumn } from './columns.ts';
import type { Activity, DataCategory, Processing } from './record.ts';
import { ARTICLES } from './words.ts';

/** One activity for each purpose. */
export function activities(processing: Processing): Activity[] {
  const { manifest } = processing;
  const columns = usedColumns(processing);
  const reached = Object.keys(manifest.subjects).map((subject) => [subject, tablesOf(processing, subject)] as const);
  return Object.entries(manifest.purposes).map(([name, purpose]): Activity => {
    const used = columns.filter((it) => it.purposes.includes(name));
    const tables = [...new Set(used.map((it) => it.table))];
    return {
      purpose: name,
      description: purpose.description,
      bases: bases(manifest, purpose),
      condition: purpose.while ?? (purpose.endsOnRequest ? 'the person has not asked for erasure' : null),
      channels: purpose.channels,
      subjects: reached
        .filter(([, of]) => tables.some((it) => of.has(it)))
        .map(([subject]) => ({ subject, people: estimatedRows(processing, manifest.subjects[subject]!.table) })),
      data: categories(used.filter(isPersonal)),
      tables,
      recipients: Object.entries(manifest.recipients).flatMap(([recipient, it]) => (it.purposes.includes(name) ? [recipient] : [])),
      readers: purpose.readers,
      roles: purpose.roles,
      notice: purpose.notice,
      assessment: purpose.assessment,
      objection: purpose.objection,
      minimumAge: purpose.minimumAge,
      doubleOptIn: purpose.doubleOptIn,
      grantsExpire: purpose.expires,
    };
  });
}

/** Bases in the order of regimes and channels; equal ones are said once, and what holds for all names none. */
function bases(manifest: Manifest, purpose: Purpose): Activity['bases'] {
  const regimes = regimesOf(manifest);
  const channels = channelsOf(purpose);
  const cells = regimes.flatMap((regime) => channels.map((channel) => ({ regime, channel, basis: basisOf(purpose, channel, regime) })));
  const found = [...new Set(cells.map((it) => it.basis).filter((it) => it !== null))];
  return found.map((basis) => {
    const of = cells.filter((it) => it.basis === basis);
    const on = [...new Set(of.map((it) => it.channel).filter((it) => it !== null))];
    const under = [...new Set(of.map((it) => it.regime))];
    return {
      basis,
      provision: ARTICLES[basis],
      channels: on.length === channels.length ? [] : on,
      regimes: under.length === regimes.length ? [] : under,
    };
  });
}

/** Tables of all stores from which a way leads to the subject. */
function tablesOf({ manifest, catalogs }: Processing, subject: string): ReadonlySet<TableId> {
  const alone = { ...manifest, subjects: { [subject]: manifest.subjects[subject]! } };
  const found = Object.entries(catalogs).flatMap(([store, catalog]) => {
    const tables = tablesOfSubjects(storeCheck(store, alone, catalog, () => null, []));
    return Object.keys(manifest.tables).filter((id) => storeOf(id) === store && tables.has(inStore(id)));
  });
  return new Set(found);
}

function categories(columns: readonly UsedColumn[]): DataCategory[] {
  const names = [...new Set(columns.map((it) => it.declared?.category ?? null))];
  const some = (values: readonly (string | null | undefined)[]): string[] => [
    ...new Set(values.filter((it) => it !== null && it !== undefined)),
  ];
  return names.map((category) => {
    const of = columns.filter((it) => (it.declared?.category ?? null) === category);
    return {
      category,
      columns: of.map((it) => `${it.table}.${it.name}`),
      identifying: of.some((it) => it.declared?.identifying),
      origins: some(of.map((it) => it.declared?.origin)),
      special: some(of.map((it) => it.declared?.special)),
      protected: some(of.map((it) => it.declared?.protected)),
    };
  });
}
