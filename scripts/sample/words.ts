/** What names, addresses and texts are made of. Nobody here exists. */

export const FIRST_NAMES = [
  'Anna',
  'Ben',
  'Clara',
  'David',
  'Elif',
  'Felix',
  'Greta',
  'Hannes',
  'Ines',
  'Jonas',
  'Klara',
  'Louis',
  'Mira',
  'Noah',
  'Olivia',
  'Paul',
  'Quentin',
  'Rosa',
  'Samir',
  'Tilda',
  'Ugo',
  'Vera',
  'Wim',
  'Xenia',
  'Yara',
  'Zoé',
] as const;

export const LAST_NAMES = [
  'Albrecht',
  'Bernard',
  'Czerny',
  'Dubois',
  'Egger',
  'Fischer',
  'Garnier',
  'Huber',
  'Ilic',
  'Jung',
  'Köhler',
  'Leroy',
  'Moser',
  'Nguyen',
  "O'Hara",
  'Pichler',
  'Quiroga',
  'Richter',
  'Schäfer',
  'Thomas',
  'Ulrich',
  'Vogt',
  'Wagner',
  'Yılmaz',
  'Zimmermann',
] as const;

export const STREETS = [
  'Bergweg',
  'Rue du Lac',
  'Lindenallee',
  'Pine Street',
  'Am Anger',
  'Chemin Vert',
  'Talgasse',
  'Ridge Road',
] as const;
export const CITIES = ['Musterstadt', 'Beispielheim', 'Villexemple', 'Sampleton', 'Probeort', 'Springfield'] as const;

/** Reserved for documentation by RFC 2606: mail to them reaches nobody. */
export const MAIL_DOMAINS = ['example.com', 'example.org', 'mail.example', 'post.example'] as const;

/** Country or region, and how often it is a customer's; null where nobody asked. */
export const COUNTRIES: readonly (readonly [string | null, number])[] = [
  ['DE', 46],
  ['FR', 16],
  ['AT', 12],
  ['CH', 6],
  ['US-CA', 5],
  ['US-NY', 4],
  ['NL', 4],
  ['GB', 4],
  [null, 3],
];

export const CATEGORIES: readonly (readonly [string, readonly string[]])[] = [
  ['Tents', ['Ridge 2', 'Ridge 3', 'Tarp Light', 'Basecamp 6']],
  ['Boots', ['Scree Mid', 'Scree Low', 'Glacier GT', 'Trail Runner']],
  ['Packs', ['Day 22', 'Trek 45', 'Haul 65', 'Child Carrier']],
  ['Jackets', ['Storm Shell', 'Loft Hoody', 'Wind Vest', 'Rain Cape']],
  ['Sleeping', ['Down 400', 'Fibre 300', 'Mat Light', 'Mat Warm']],
  ['Climbing', ['Rope 60', 'Harness S', 'Harness M', 'Quickdraw Set']],
  ['Cooking', ['Stove Gas', 'Pot Set', 'Filter Bottle', 'Spork']],
];

export const PATHS = [
  '/',
  '/tents',
  '/boots',
  '/packs',
  '/jackets',
  '/sale',
  '/guide/layering',
  '/guide/boot-fit',
  '/cart',
  '/account',
] as const;
export const REFERRERS = ['https://search.example/', 'https://blog.example/hikes', 'https://social.example/'] as const;
export const USER_AGENTS = [
  'Mozilla/5.0 (Linux; Android 15)',
  'Mozilla/5.0 (iPhone; iOS 19)',
  'Mozilla/5.0 (X11; Linux x86_64)',
  'AcmeApp/4.2',
] as const;
export const TOUCHPOINTS = ['checkout', 'account_page', 'app_onboarding', 'store_terminal', 'survey', 'preference_centre'] as const;
export const FREE_TEXTS = [
  'Zip broke on the second trip.',
  'Fits well, please make it in green.',
  'Call me about the pole set.\nMy knees hurt, so I need the short one.',
  'The app asks too often.',
] as const;
export const NOTE_TEXTS = [
  'Prefers to be called after six.',
  'Parcel left with neighbour.',
  'Asked for a paper invoice.',
  'Two children, both climb.',
] as const;
export const TICKET_SUBJECTS = [
  'Where is my order?',
  'Return of boots',
  'Wrong size',
  'Invoice missing',
  'Please delete my account',
] as const;
export const TICKET_TEXTS = [
  'Hello, could you look into this?',
  'We have shipped a new one.',
  'Thank you!',
  'Any news? I wrote last week.',
] as const;
