import { PostgresDialect, PostgresQueryCompiler } from 'kysely';

/** A list that a statement names more than once is sent once: a search asks for the same thousands of words at many places. */
class ListsOnce extends PostgresQueryCompiler {
  readonly #places = new Map<readonly unknown[], number>();

  protected override appendValue(parameter: unknown): void {
    // The first of another statement.
    if (this.numParameters === 0) this.#places.clear();
    if (!Array.isArray(parameter)) return super.appendValue(parameter);
    const place = this.#places.get(parameter);
    if (place !== undefined) return this.append(`$${place}`);
    super.appendValue(parameter);
    this.#places.set(parameter, this.numParameters);
  }
}

/** Postgres as kysely knows it, with statements as small as they can be. */
export class StoreDialect extends PostgresDialect {
  override createQueryCompiler(): ListsOnce {
    return new ListsOnce();
  }
}
