import type { ConsentSource, Manifest } from '../../manifest/model.ts';

export interface NamedSource {
  /** `store.schema.table`; with a number where the manifest reads one table in several ways. */
  readonly name: string;
  readonly source: ConsentSource;
}

/** The manifest's tables of consent, each by a name of its own. */
export function namedSources({ consents }: Pick<Manifest, 'consents'>): NamedSource[] {
  const seen = new Map<string, number>();
  return consents.map((source) => {
    const times = (seen.get(source.table) ?? 0) + 1;
    seen.set(source.table, times);
    return { name: times === 1 ? source.table : `${source.table}#${times}`, source };
  });
}
