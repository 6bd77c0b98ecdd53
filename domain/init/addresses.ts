/** Stores by the name that the manifest shall give them. */
export interface Addressed {
  readonly catalogs: Readonly<Record<string, unknown>>;
  /** What to write as `url`, such as `${DATABASE_URL}`. A URL with a password is replaced by a variable. */
  readonly storeUrls: Readonly<Record<string, string>>;
}

/** A variable that the drafted file expects in the environment. */
export interface Expected {
  readonly store: string;
  readonly variable: string;
  /** What it should hold, with `PASSWORD` in place of the password; null where the variable was named and is set. */
  readonly value: string | null;
}

const PASSWORD = /(:\/\/[^/@:]*:)(?!\$\{)[^/@]+(@)|([?&]password=)(?!\$\{)[^&]+/g;

/** How the file spells the address of each store: as it was given, but for one with a password, which only a variable may hold. */
export function addresses({ catalogs, storeUrls }: Addressed): {
  readonly urls: Readonly<Record<string, string>>;
  readonly expected: readonly Expected[];
} {
  const found = Object.keys(catalogs).map((store) => {
    const given = storeUrls[store] ?? '';
    const redacted = given.replaceAll(PASSWORD, '$1$3PASSWORD$2');
    const named = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(given)?.[1];
    if (named !== undefined) return { store, url: given, expected: [{ store, variable: named, value: null }] };
    if (given !== '' && redacted === given) return { store, url: given, expected: [] };
    const variable = `${store.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_DATABASE_URL`;
    return { store, url: `\${${variable}}`, expected: [{ store, variable, value: given === '' ? null : redacted }] };
  });
  return { urls: Object.fromEntries(found.map(({ store, url }) => [store, url])), expected: found.flatMap((it) => it.expected) };
}
