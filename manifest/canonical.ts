import { shortDurationMs, toIsoDuration, wholeDays } from './duration.ts';
import type {
  ColumnDeclaration,
  ColumnOrConstant,
  ConsentSource,
  Envelope,
  Manifest,
  Mask,
  OnErase,
  RetentionAction,
  RetentionRule,
  StoreDeclaration,
  TableDeclaration,
} from './model.ts';
import type { ParsedManifest } from './schema/root.ts';
import { mapValues } from './values.ts';

type ParsedTable = ParsedManifest['tables'][string];
type ParsedRetention = NonNullable<ParsedTable['retention']>;
type ParsedColumn = NonNullable<ParsedTable['columns']>[string];

/** From the user's spelling, defaults filled in, to the one form that every other room reads. */
export function toCanonical(parsed: ParsedManifest): Manifest {
  const { controller, regimes, purge } = parsed;
  return {
    organisation: parsed.organisation,
    controller: controller
      ? {
          name: controller.name,
          country: controller.country ?? null,
          dpo: controller.dpo ?? null,
          address: controller.address ?? null,
          contact: controller.contact ?? null,
          representative: controller.representative ?? null,
        }
      : null,
    timezone: parsed.timezone,
    mode: parsed.mode,
    regimes: { default: regimes.default, from: regimes.from ?? null, map: regimes.map },
    stores: stores(parsed),
    purposes: mapValues(parsed.purposes, (purpose) => ({
      basis: purpose.basis,
      description: purpose.description ?? null,
      ends: purpose.ends === 'on_request' ? null : (purpose.ends ?? null),
      endsOnRequest: purpose.ends === 'on_request',
      while: purpose.while ?? null,
      roles: purpose.roles,
      objection: purpose.objection ?? null,
      assessment: purpose.assessment ?? null,
      channels: purpose.channels,
      expires: purpose.expires ?? null,
      notice: purpose.notice ?? null,
      minimumAge: purpose.minimum_age ?? null,
      doubleOptIn: purpose.double_opt_in,
      readers: purpose.readers,
    })),
    subjects: mapValues(parsed.subjects, (subject) => ({
      table: subject.table,
      key: typeof subject.key === 'string' ? [subject.key] : subject.key,
      identities: subject.identities,
      birth: subject.birth ?? null,
    })),
    tables: mapValues(parsed.tables, table),
    ignored: parsed.ignore,
    references: parsed.references.map((it) => ({ ...it, as: it.as ?? null })),
    shared: parsed.shared.map((it) => ({ table: it.table, owners: it.owners, onErase: it.on_erase, lastOwner: it.last_owner })),
    recipients: mapValues(parsed.recipients, (it) => ({
      role: it.role,
      country: it.country ?? null,
      receives: it.receives,
      notify: it.notify,
      safeguard: it.safeguard ?? null,
      purposes: it.purposes,
      description: it.description ?? null,
    })),
    consents: parsed.consents.map(consentSource),
    own: Object.fromEntries(Object.entries(parsed.own).flatMap(([name, keep]) => (keep === undefined ? [] : [[name, keep]]))),
    measures: parsed.measures,
    sink: parsed.sink ?? null,
    replicas: { leaseMs: shortDurationMs(parsed.replicas.lease) ?? 0 },
    purge: {
      lanes: purge.lanes,
      batchMs: shortDurationMs(purge.batch) ?? 0,
      duty: purge.duty,
      between: purge.between ?? null,
      approval: purge.approval,
    },
    requests: {
      approval: { roles: parsed.requests.approval.roles, fourEyes: parsed.requests.approval.four_eyes },
      alerts: parsed.requests.alerts ?? null,
      notices: {
        patienceDays: wholeDays(parsed.requests.notices.patience) ?? 0,
        silentAfterDays: wholeDays(parsed.requests.notices.silent_after) ?? 0,
      },
      envelope: envelope(parsed.requests.envelope),
    },
    schedules: mapValues(parsed.schedules, (it) => ({
      cron: it.cron,
      jitter: it.jitter === undefined ? null : toIsoDuration(it.jitter),
      overlap: it.overlap,
      catchUp: toIsoDuration(it.catch_up),
      run: typeof it.run === 'string' ? [it.run] : it.run,
    })),
  };
}

function envelope(it: ParsedManifest['requests']['envelope']): Envelope | null {
  return it === undefined ? null : { kinds: [...new Set(it.kinds)], mostPeople: it.most_people, mostRows: it.most_rows, at: it.at };
}

function consentSource(it: ParsedManifest['consents'][number]): ConsentSource {
  return {
    table: it.table,
    subject: it.subject,
    key: typeof it.key === 'string' ? [it.key] : it.key,
    purpose: source(it.purpose),
    channel: it.channel === undefined ? null : source(it.channel),
    decision: source(it.decision),
    decisions: it.decisions,
    at: it.at,
    touchpoint: it.touchpoint === undefined ? null : source(it.touchpoint),
    notice: it.notice === undefined ? null : source(it.notice),
    language: it.language === undefined ? null : source(it.language),
    givenBy: it.given_by === undefined ? null : source(it.given_by),
    changedAt: it.changed_at ?? null,
  };
}

function source(written: string | { constant: string }): ColumnOrConstant {
  return typeof written === 'string' ? { column: written } : written;
}

function stores(parsed: ParsedManifest): Record<string, StoreDeclaration> {
  const only = Object.keys(parsed.stores).length === 1;
  const named = [...Object.keys(parsed.tables), ...Object.keys(parsed.ignore), ...Object.values(parsed.subjects).map((it) => it.table)];
  return mapValues(parsed.stores, (store, name) => ({
    url: store.url,
    home: store.home ?? only,
    schemas:
      store.schemas ??
      [...new Set(named.map((id) => id.split('.')).flatMap(([of, schema]) => (of === name && schema ? [schema] : [])))].sort(),
  }));
}

function table(it: ParsedTable): TableDeclaration {
  return {
    label: it.label ?? null,
    purposes: it.purposes,
    capturedAt: it.captured_at ?? null,
    columns: it.columns ? mapValues(it.columns, column) : null,
    json: it.json.map((path) => ({ column: path.column, path: path.path, refers: path.refers ?? null, onErase: path.on_erase })),
    retention: it.retention ? retention(it.retention) : null,
    floor: it.floor
      ? {
          keep: it.floor.keep,
          after: it.floor.after,
          from: it.floor.from ?? null,
          rule: it.floor.rule,
        }
      : null,
    stays: it.stays ?? null,
    because: it.because ?? null,
  };
}

function column(written: ParsedColumn): ColumnDeclaration {
  const it = typeof written === 'string' ? { category: written, identifying: false } : written;
  return {
    category: it.category ?? null,
    identifying: it.identifying,
    origin: it.origin ?? null,
    protected: it.protected ?? null,
    special: it.special ?? null,
    purposes: it.purposes ?? null,
    onErase: it.on_erase === undefined ? null : onErase(it.on_erase),
    because: it.because ?? null,
  };
}

function onErase(written: null | 'generated' | 'keep' | { constant: string | number | boolean }): OnErase {
  if (written === null) return { with: 'null' };
  return typeof written === 'string' ? { with: written } : { with: 'constant', value: written.constant };
}

function retention(it: ParsedRetention): RetentionRule {
  return {
    keep: it.keep,
    after: typeof it.after === 'string' ? { column: it.after } : { lastOf: it.after.last },
    missing: it.missing,
    infinite: it.infinite,
    future: it.future,
    zoneless: it.zoneless,
    children: it.children,
    then: action(it.then),
    between: it.between ?? null,
    because: it.because ?? null,
  };
}

function action(then: ParsedRetention['then']): RetentionAction {
  if (then === 'delete') return { kind: 'delete' };
  if ('mask' in then) return { kind: 'mask', columns: mapValues(then.mask, mask) };
  return {
    kind: 'aggregate',
    into: then.aggregate_into,
    by: mapValues(then.by, (source) => (typeof source === 'string' ? { column: source } : source)),
    measures: mapValues(then.measures, (measure) => {
      if (measure === 'count') return { of: 'count' };
      if ('sum' in measure) return { of: 'sum', column: measure.sum };
      return 'min' in measure ? { of: 'min', column: measure.min } : { of: 'max', column: measure.max };
    }),
  };
}

function mask(written: null | { constant: string | number | boolean } | { truncate: 'day' | 'month' | 'year' }): Mask {
  if (written === null) return { with: 'null' };
  return 'constant' in written ? { with: 'constant', value: written.constant } : { with: 'truncate', to: written.truncate };
}
