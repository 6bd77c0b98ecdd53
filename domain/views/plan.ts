import { inStore, storeOf } from '../../manifest/ids.ts';
import { isOptIn } from '../../manifest/basis.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import { permissionRules } from '../permission/rules.ts';
import type { PermissionRule } from '../permission/types.ts';
import { captureOn, factsOf } from './capture.ts';
import { viewColumns } from './columns.ts';
import { KeptPseudonyms } from './kept.ts';
import type { ChannelEnd, KeptKind, PurposeViews, Step, StoreViews, SubjectEnd, TableView, ViewColumn, ViewFinding, Way } from './model.ts';
import { keyDomains } from './pseudonyms.ts';
import { hops, waysToSubjects, type RawEnd, type RawWay } from './ways.ts';

export const SCHEMA_PREFIX = 'for_';

/** The views of every purpose that a store's tables serve. In the home store the ledger judges; elsewhere a replica of its answers. */
export function planViews(manifest: Manifest, catalog: Catalog): StoreViews {
  const findings: ViewFinding[] = [];
  const rules = permissionRules(manifest);
  const all = hops(catalog, manifest);
  const purposes = Object.entries(manifest.purposes).flatMap(([purpose, { readers }]): PurposeViews[] => {
    const planner = new PurposePlanner(
      purpose,
      rules.filter((rule) => rule.purpose === purpose),
      manifest,
      catalog,
      all,
    );
    const views = planner.views();
    findings.push(...planner.findings);
    if (views.length === 0) return [];
    const channels = planner.channels(views);
    return [{ purpose, schema: `${SCHEMA_PREFIX}${purpose}`, readers, rules: planner.rules, views, channels, kept: planner.kept }];
  });
  return { store: catalog.store, purposes, findings };
}

class PurposePlanner {
  readonly findings: ViewFinding[] = [];
  readonly rules: readonly PermissionRule[];
  readonly #purpose: string;
  readonly #manifest: Manifest;
  readonly #catalog: Catalog;
  readonly #hops: readonly Step[];
  readonly #optIn: boolean;
  readonly #kept: KeptPseudonyms;

  constructor(purpose: string, rules: readonly PermissionRule[], manifest: Manifest, catalog: Catalog, all: readonly Step[]) {
    this.#purpose = purpose;
    this.rules = rules;
    this.#manifest = manifest;
    this.#catalog = catalog;
    this.#hops = all;
    this.#optIn = rules.some((rule) => isOptIn(rule.basis));
    this.#kept = new KeptPseudonyms(rules, catalog);
  }

  /** Of what was planned until now. */
  get kept(): readonly KeptKind[] {
    return this.#kept.kinds;
  }

  views(): TableView[] {
    const views = Object.keys(this.#manifest.tables).flatMap((id) => (storeOf(id) === this.#catalog.store ? this.#view(id) : []));
    const taken = Map.groupBy(views, (view) => view.name);
    // Two schemas may hold tables of one name.
    return views.map((view) => ((taken.get(view.name)?.length ?? 0) > 1 ? { ...view, name: view.table.replace('.', '_') } : view));
  }

  /** Subjects that the views are about, as far as this store holds their table: of them the ledger knows channels. */
  channels(views: readonly TableView[]): ChannelEnd[] {
    const shown = new Set(views.flatMap((view) => view.ways.map((way) => way.end.subject)));
    if (this.rules.every((rule) => rule.channel === '')) return [];
    return Object.entries(this.#manifest.subjects).flatMap(([subject, { table, key }]): ChannelEnd[] => {
      if (!shown.has(subject) || storeOf(table) !== this.#catalog.store || this.#catalog.tables[inStore(table)] === undefined) return [];
      const end = this.#end({ subject, table: inStore(table), columns: key, identity: 'key', asText: false });
      return end.judged.by === 'facts' ? [{ ...end, kept: this.#kept.key(end, end.domains[0] ?? '') }] : [];
    });
  }

  #view(id: string): TableView[] {
    const table = inStore(id);
    const live = this.#catalog.tables[table];
    const declared = this.#manifest.tables[id];
    if (live === undefined || declared === undefined || live.kind === 'view' || live.partitionOf !== null) return [];
    const ways = waysToSubjects(table, this.#catalog, this.#manifest, this.#hops);
    const { columns, findings } = viewColumns({
      store: this.#catalog.store,
      purpose: this.#purpose,
      live,
      declared,
      manifest: this.#manifest,
      hops: this.#hops,
      ways,
    });
    this.findings.push(...findings);
    if (columns.length === 0) return [];
    const planned = ways.map((way) => this.#way(way, table, id));
    if (ways.length === 0) this.#withoutSubject(id);
    if (planned.some((way) => way.capture === 'unknown')) {
      this.#find(
        'no_capture',
        id,
        'no row is shown: nothing says when a row was captured',
        'name the column by `captured_at` (and `retention.zoneless` if it has no zone)',
      );
    }
    if (live.rowSecurity.enabled) {
      const message = 'row-level security hides rows that no policy opens to probity_views';
      this.#find('row_security', id, message, `create policy probity_views on ${table} for select to probity_views using (true)`);
    }
    const shown = columns.map((column) => this.#looked(this.#guarded(column, table, id), planned));
    return [{ name: live.name, table, columns: shown, ways: planned, withoutSubject: !this.#optIn }];
  }

  #withoutSubject(id: string): void {
    const message = this.#optIn
      ? 'no row is shown: no way leads from it to a subject, so nobody can have agreed'
      : 'every row is shown: no way leads from it to a subject';
    this.#find('no_subject', id, message, 'add `references: [{ from: table.column, to: subject }]` if rows are about people');
  }

  #way(raw: RawWay, table: string, id: string): Way {
    const end = this.#end(raw.end);
    if (end.judged.by === 'nobody') {
      this.#find('no_facts', id, `no row of a ${raw.end.subject} is shown: the home store does not hold the table of this subject`, null);
    }
    return {
      steps: raw.steps,
      end,
      mayLeadNowhere: this.#mayLeadNowhere(raw, table),
      capture: this.#optIn ? captureOn(raw, table, this.#catalog, this.#manifest) : null,
    };
  }

  #end({ subject, table, columns, identity, asText }: RawEnd): SubjectEnd {
    const { store } = this.#catalog;
    const domains = columns.map((column) => keyDomains(table, column, store, this.#hops, this.#manifest).at(-1)?.domain ?? column);
    return { subject, table, columns, domains, asText, judged: this.#judged(subject, table, identity) };
  }

  #judged(subject: string, table: string, identity: 'key' | 'email'): SubjectEnd['judged'] {
    if (this.#manifest.stores[this.#catalog.store]?.home !== true) return { by: 'replica', identity };
    const itself = this.#manifest.subjects[subject]?.table === `${this.#catalog.store}.${table}`;
    const found = factsOf(subject, this.#purpose, itself, this.#catalog, this.#manifest);
    if (found === null) return { by: 'nobody' };
    if (found.missing === 'ends') {
      this.#find(
        'ends',
        this.#manifest.subjects[subject]?.table ?? subject,
        'the purpose ends by a column that is no time of this table: nobody is shown',
        null,
      );
      return { by: 'nobody' };
    }
    return { by: 'facts', facts: found.facts };
  }

  #mayLeadNowhere(way: RawWay, table: string): boolean {
    const nullable = (at: string, columns: readonly string[]): boolean =>
      columns.some((column) => this.#catalog.tables[at]?.columns.find((it) => it.name === column)?.nullable !== false);
    let at = table;
    for (const step of way.steps) {
      if (step.many || Object.keys(step.when).length > 0 || nullable(at, step.columns)) return true;
      at = step.to;
    }
    return nullable(at, way.end.columns);
  }

  /** A key of somebody else in a subject's own row (who recommended whom) is data about both. */
  #guarded(column: ViewColumn, table: string, id: string): ViewColumn {
    if (column.kind !== 'pseudonym') return column;
    const subject = Object.entries(this.#manifest.subjects).find(([, it]) => it.table === id)?.[0];
    const other = this.#hops.find(
      (step) => step.from === table && step.to === table && step.columns.length === 1 && step.columns[0] === column.name,
    );
    if (subject === undefined || other === undefined) return column;
    const raw: RawWay = {
      steps: [other],
      end: { subject, table, columns: this.#manifest.subjects[subject]?.key ?? [], identity: 'key', asText: false },
    };
    return {
      ...column,
      shownIf: {
        ...this.#way(raw, table, id),
        capture: this.#optIn ? captureOn({ ...raw, steps: [] }, table, this.#catalog, this.#manifest) : null,
      },
    };
  }

  /** The pseudonym of whom the row itself names, in whichever column, is looked up where it is kept. */
  #looked(column: ViewColumn, ways: readonly Way[]): ViewColumn {
    if (column.kind !== 'pseudonym' || column.shownIf !== null || column.domains.length !== 1) return column;
    const end = ways.find((way) => way.steps.length === 0 && way.end.columns.join() === column.name)?.end;
    return end === undefined ? column : { ...column, kept: this.#kept.key(end, column.domains[0]?.domain ?? '') };
  }

  #find(code: ViewFinding['code'], about: string, message: string, fix: string | null): void {
    if (this.findings.some((it) => it.code === code && it.about === about)) return;
    this.findings.push({ code, purpose: this.#purpose, about, message, fix });
  }
}
