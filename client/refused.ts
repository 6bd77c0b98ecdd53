/** The caller asked for something that cannot be; the message says what to ask for instead. */
export class Refused extends Error {
  override readonly name: string = 'Refused';
}

/** A store without our schema, where something needs it. */
export class NotMigrated extends Refused {
  override readonly name = 'NotMigrated';

  constructor(store: string, state: 'missing' | 'outdated' | 'newer') {
    const what = {
      missing: 'has no schema of ours',
      outdated: 'has an older version of our schema',
      newer: 'was migrated by a newer version of probity',
    };
    super(`Store ${store} ${what[state]}: ${state === 'newer' ? 'use that version' : 'run `probity migrate`'}`);
  }
}
