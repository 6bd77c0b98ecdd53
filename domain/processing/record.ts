import type { Basis, Controller, IsoDuration, Manifest, Stays, TableId } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import { activities } from './activities.ts';
import { keeping } from './keeping.ts';
import { measures } from './measures.ts';
import { missing } from './missing.ts';
import { recipients } from './recipients.ts';
import { stores } from './stores.ts';

/** The record of processing activities (Art. 30 GDPR). Its shape is stable: a later version only adds. Lists are in the manifest's order. */
export interface ProcessingRecord {
  readonly format: 'probity/processing-record/1';
  readonly organisation: string;
  /** The manifest's version. */
  readonly manifest: string;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly mode: Manifest['mode'];
  readonly controller: Controller | null;
  /** One for each purpose. */
  readonly activities: readonly Activity[];
  readonly recipients: readonly RecipientEntry[];
  readonly keeping: readonly Keeping[];
  readonly measures: { readonly declared: readonly string[]; readonly built: readonly BuiltMeasure[] };
  readonly stores: readonly StoreEntry[];
  /** Tables that are left out on purpose. */
  readonly ignored: readonly { readonly table: TableId; readonly reason: string }[];
  /** What the record lacks. */
  readonly missing: readonly Missing[];
}

export interface Activity {
  readonly purpose: string;
  readonly description: string | null;
  readonly bases: readonly {
    readonly basis: Basis;
    readonly provision: string;
    /** Empty: all, or the purpose has none. */
    readonly channels: readonly string[];
    /** Empty: all. */
    readonly regimes: readonly string[];
  }[];
  readonly condition: string | null;
  readonly channels: readonly string[];
  readonly subjects: readonly {
    readonly subject: string;
    /** By the database's own estimate; null when it has none. */ readonly people: number | null;
  }[];
  readonly data: readonly DataCategory[];
  readonly tables: readonly TableId[];
  readonly recipients: readonly string[];
  readonly readers: readonly string[];
  readonly roles: readonly string[];
  readonly notice: string | null;
  readonly assessment: string | null;
  readonly objection: 'absolute' | 'balanced' | null;
  readonly minimumAge: number | null;
  readonly doubleOptIn: boolean;
  readonly grantsExpire: IsoDuration | null;
}

export interface DataCategory {
  /** Null: nobody has said. */
  readonly category: string | null;
  /** `store.schema.table.column`. */
  readonly columns: readonly string[];
  readonly identifying: boolean;
  readonly origins: readonly string[];
  /** Special categories (Art. 9). */
  readonly special: readonly string[];
  readonly protected: readonly string[];
}

export interface RecipientEntry {
  readonly name: string;
  readonly role: 'processor' | 'controller';
  readonly country: string | null;
  readonly description: string | null;
  readonly purposes: readonly string[];
  readonly receives: readonly string[];
  /** Whether data leaves the European Economic Area; null when the country is not known. */
  readonly transfer: boolean | null;
  readonly safeguard: string | null;
}

/** How long the rows of a table stay. */
export interface Keeping {
  readonly table: TableId;
  readonly rows: number | null;
  readonly purposes: readonly string[];
  readonly personal: boolean;
  readonly keep: IsoDuration | null;
  /** A column, or the last of a column of another table. */
  readonly after: string | null;
  readonly then: 'delete' | 'mask' | 'aggregate' | null;
  /** Tables with whose rows these go. */
  readonly goesWith: readonly TableId[];
  readonly floor: { readonly keep: IsoDuration; readonly rule: string; readonly after: string; readonly endOfYear: boolean } | null;
  /** No request takes its rows. */
  readonly stays: Stays | null;
  readonly because: string | null;
}

export interface BuiltMeasure {
  /** `in force`: done by Probity whenever it runs. `observing`: planned and reported only. */
  readonly state: 'in force' | 'observing';
  readonly measure: string;
}

export interface StoreEntry {
  readonly store: string;
  readonly home: boolean;
  readonly database: string;
  readonly postgres: string;
  readonly tables: number;
  /** Tables of its schemas that the manifest neither declares nor ignores. */
  readonly unclassified: readonly TableId[];
}

export interface Missing {
  /** Where it belongs in the manifest: `controller.address`. */
  readonly path: string;
  readonly what: string;
  /** What to write there. */
  readonly write: string;
  /** Who asks for it. */
  readonly provision: string;
}

/** What the record is made from. `catalogs` by the store's name; every store has one. */
export interface Processing {
  readonly manifest: Manifest;
  readonly hash: string;
  readonly catalogs: Readonly<Record<string, Catalog>>;
}

/** Builds the record. `madeAt` is printed as it is. */
export function processingRecord(processing: Processing, madeAt: Date): ProcessingRecord {
  const { manifest, hash } = processing;
  const record = {
    format: 'probity/processing-record/1' as const,
    organisation: manifest.organisation,
    manifest: hash,
    madeAt: madeAt.toISOString(),
    mode: manifest.mode,
    controller: manifest.controller,
    activities: activities(processing),
    recipients: recipients(manifest),
    keeping: keeping(processing),
    measures: { declared: manifest.measures, built: measures(manifest) },
    stores: stores(processing),
    ignored: Object.entries(manifest.ignored).map(([table, reason]) => ({ table, reason })),
  };
  return { ...record, missing: missing(record, manifest) };
}
