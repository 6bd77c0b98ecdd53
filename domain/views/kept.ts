import { isOptIn } from '../../manifest/basis.ts';
import type { Catalog } from '../catalog.ts';
import type { PermissionRule } from '../permission/types.ts';
import type { KeptKey, KeptKind, SubjectEnd } from './model.ts';

/** Types of keys that an index on the company's own column can find again from their text. */
const FAMILIES: Readonly<Record<string, KeptKey['type']>> = {
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  uuid: 'uuid',
  text: 'text',
  varchar: 'text',
};

/**
 * Whose pseudonyms of a purpose are kept, so that one can be looked for by an index. Only where everybody who is shown has an allowing span:
 * pseudonyms are kept in the transaction that writes such a span, and nobody tells us of people who come without one.
 */
export class KeptPseudonyms {
  readonly #domains = new Map<string, string>();
  readonly #catalog: Catalog;
  readonly #optIn: boolean;

  constructor(rules: readonly PermissionRule[], catalog: Catalog) {
    this.#catalog = catalog;
    this.#optIn = rules.every((rule) => isOptIn(rule.basis));
  }

  get kinds(): KeptKind[] {
    return [...this.#domains].map(([subject, domain]) => ({ subject, domain }));
  }

  /** How a column that names a subject finds the pseudonym, as `domain` makes it; null where it has to be computed. */
  key({ subject, table, columns, asText, judged }: SubjectEnd, domain: string): KeptKey | null {
    const [column] = columns;
    if (columns.length !== 1 || column === undefined || judged.by === 'nobody') return null;
    // A replica allows nobody without a span, whatever the basis.
    if (judged.by === 'facts' && !this.#optIn) return null;
    if (judged.by === 'replica' && judged.identity !== 'key') return null;
    const type = this.#family(table, column);
    if (type === null) return null;
    // The ledger writes the key as the subject's table prints it, and the column must print it alike.
    if (judged.by === 'facts' && !asText && this.#family(judged.facts.table, judged.facts.key[0] ?? '') !== type) return null;
    if ((this.#domains.get(subject) ?? domain) !== domain) return null;
    this.#domains.set(subject, domain);
    return { subject, type };
  }

  #family(table: string, column: string): KeptKey['type'] | null {
    const type = this.#catalog.tables[table]?.columns.find((it) => it.name === column)?.baseType;
    return type === undefined ? null : (FAMILIES[type] ?? null);
  }
}
