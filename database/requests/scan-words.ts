import { sql } from 'kysely';
import type { Called } from '../../domain/requests/called.ts';
import { indexTerms, type Term, type TermIndex } from '../../domain/requests/tokens.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** A short word of somebody (a user name) that more rows hold is taken for a word of the language: none of them says whom it means. */
export const MOST_RARE = 20;

/** Somebody's short word, and the row in which it stands. */
export interface WordHit {
  readonly person: number;
  readonly identity: string;
  readonly location: string;
}

/**
 * What a run looks for: everything, and short words for as long as they are rare. How many rows hold them is counted as the search goes; from then on
 * they are left out, what was found of them is forgotten, and the run says so.
 */
export class RareWords {
  readonly #store: Store;
  readonly #runId: string;
  readonly #terms: readonly Term[];
  readonly #called: readonly Called[];
  readonly #rows: Map<string, number>;
  readonly #common: Set<string>;
  #index: TermIndex;

  private constructor(
    store: Store,
    runId: string,
    terms: readonly Term[],
    called: readonly Called[],
    rows: Map<string, number>,
    common: Set<string>,
  ) {
    this.#store = store;
    this.#runId = runId;
    this.#terms = terms;
    this.#called = called;
    this.#rows = rows;
    this.#common = common;
    this.#index = this.#indexed();
  }

  /** With what an earlier call has counted. */
  static async open(store: Store, runId: string, terms: readonly Term[], called: readonly Called[]): Promise<RareWords> {
    const { rows } = await translating(store, () =>
      sql<{ person: number; identity: string; rows: number | null }>`
        select h.person, h.identity, count(distinct (h.relation, h.location))::integer as rows
        from probity.run_hit h where h.run_id = ${runId} and h.word and not h.expected group by 1, 2
        union all select w.person, w.identity, null from probity.run_word w where w.run_id = ${runId}`.execute(store.db),
    );
    const counted = rows.flatMap((it): [string, number][] => (it.rows === null ? [] : [[keyOf(it), it.rows]]));
    const common = rows.filter((it) => it.rows === null).map(keyOf);
    const words = new RareWords(store, runId, terms, called, new Map(counted), new Set(common));
    // Whoever was killed behind a range may not have come to it.
    await words.#drop(counted.flatMap(([key, some]) => (some > MOST_RARE ? [key] : [])));
    return words;
  }

  get index(): TermIndex {
    return this.#index;
  }

  /** Those of which these rows alone hold too many. True: less is looked for than before. */
  async leaveOut(hits: readonly WordHit[]): Promise<boolean> {
    return this.#drop([...tooMany(hits)]);
  }

  /** After they were written. */
  async count(hits: readonly WordHit[]): Promise<void> {
    const over: string[] = [];
    for (const [key, its] of Map.groupBy(hits, keyOf)) {
      const rows = (this.#rows.get(key) ?? 0) + rowsIn(its);
      this.#rows.set(key, rows);
      // Another lane may have written more since it was left out.
      if (rows > MOST_RARE || this.#common.has(key)) over.push(key);
    }
    await this.#drop(over);
  }

  async #drop(keys: readonly string[]): Promise<boolean> {
    if (keys.length === 0) return false;
    const pairs = keys.map((key) => JSON.parse(key) as [number, string]);
    const [people, identities] = [pairs.map(([person]) => person), pairs.map(([, identity]) => identity)];
    await translating(this.#store, () =>
      sql`
        with common as (
          insert into probity.run_word (run_id, person, identity)
          select ${this.#runId}, u.* from unnest(${people}::integer[], ${identities}::text[]) u on conflict do nothing
        )
        delete from probity.run_hit h using unnest(${people}::integer[], ${identities}::text[]) u (person, identity)
        where h.run_id = ${this.#runId} and h.word and h.person = u.person and h.identity = u.identity`.execute(this.#store.db),
    );
    const before = this.#common.size;
    for (const key of keys) this.#common.add(key);
    if (this.#common.size > before) this.#index = this.#indexed();
    return this.#common.size > before;
  }

  #indexed(): TermIndex {
    return indexTerms(this.#terms.filter((term) => term.kind !== 'word' || !this.#common.has(keyOf(term))), this.#called); // prettier-ignore
  }
}

/** Whose words, by `keyOf`, stand in more of these rows than may mean anybody. */
export function tooMany(hits: readonly WordHit[]): Set<string> {
  return new Set([...Map.groupBy(hits, keyOf)].flatMap(([key, its]) => (rowsIn(its) > MOST_RARE ? [key] : [])));
}

function rowsIn(hits: readonly WordHit[]): number {
  return new Set(hits.map(({ location }) => location)).size;
}

export function keyOf({ person, identity }: Pick<WordHit, 'person' | 'identity'>): string {
  return JSON.stringify([person, identity]);
}
