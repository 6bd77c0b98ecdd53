import { basesOf } from '../../manifest/basis.ts';
import type { Manifest } from '../../manifest/model.ts';
import { listed } from '../check/context.ts';
import type { Missing, ProcessingRecord } from './record.ts';
import { isInside } from './words.ts';

type Unfinished = Omit<ProcessingRecord, 'missing'>;
type Say = (path: string, what: string, write: string, provision: string) => void;

/** What Art. 30 (and what stands on it) asks for and the manifest does not say, in the order of the record. */
export function missing(record: Unfinished, manifest: Manifest): Missing[] {
  const found: Missing[] = [];
  const say: Say = (path, what, write, provision) => void found.push({ path, what, write, provision });
  controller(record, say);
  purposes(record, manifest, say);
  data(record, say);
  recipients(record, say);
  keeping(record, say);
  if (record.measures.declared.length === 0)
    say('measures', 'What keeps the data safe', 'measures: [Databases are encrypted at rest, …]', 'Art. 30(1)(g)');
  return found;
}

function controller({ controller: who }: Unfinished, say: Say): void {
  const by = 'Art. 30(1)(a)';
  if (who === null)
    return say('controller', 'Who answers for the data', 'controller: { name: …, country: DE, address: …, contact: …, dpo: … }', by);
  if (who.country === null) say('controller.country', 'Where the controller is established', 'country: DE', by);
  if (who.address === null) say('controller.address', 'The controller’s postal address', 'address: Street 1, 12345 City', by);
  if (who.contact === null) say('controller.contact', 'How to reach the controller', 'contact: privacy@…', by);
  if (who.dpo === null) say('controller.dpo', 'How to reach the data protection officer', 'dpo: dpo@…, or `none, because …`', by);
  if (who.country !== null && !isInside(who.country) && who.representative === null)
    say(
      'controller.representative',
      'The representative in the Union',
      'representative: …, or `none, because …`',
      'Art. 27, Art. 30(1)(a)',
    );
}

function purposes({ activities }: Unfinished, manifest: Manifest, say: Say): void {
  if (activities.length === 0)
    say('purposes', 'Why data is used', 'purposes: { analytics: { basis: legitimate_interests, description: … } }', 'Art. 30(1)(b)');
  if (activities.length > 0 && Object.keys(manifest.subjects).length === 0)
    say('subjects', 'Whom the data is about', 'subjects: { customer: { table: store.schema.table, key: … } }', 'Art. 30(1)(c)');
  for (const it of activities) {
    const at = `purposes.${it.purpose}`;
    const bases = basesOf(manifest.purposes[it.purpose]!, manifest);
    if (it.description === null) say(`${at}.description`, `What ${it.purpose} is for`, 'description: …', 'Art. 30(1)(b)');
    if (bases.includes('legitimate_interests') && it.assessment === null)
      say(`${at}.assessment`, 'The balancing test', 'assessment: LIA-…', 'Art. 6(1)(f), Art. 5(2)');
    const special = it.data.flatMap((one) => one.special);
    if (special.length > 0 && it.assessment === null)
      say(`${at}.assessment`, `The impact assessment: the purpose uses ${special.join(', ')}`, 'assessment: DPIA-…', 'Art. 9, Art. 35');
    if ((bases.includes('consent') || bases.includes('soft_opt_in')) && it.notice === null)
      say(`${at}.notice`, 'The notice that people were shown', 'notice: privacy-2026-03', 'Art. 7(1), Art. 13');
    if (it.tables.length === 0)
      say(`tables.….purposes`, `Data that ${it.purpose} uses; or remove the purpose`, `purposes: [${it.purpose}]`, 'Art. 30(1)(c)');
  }
}

function data({ activities, stores, keeping: tables }: Unfinished, say: Say): void {
  const by = 'Art. 30(1)(c)';
  for (const { store, unclassified } of stores) {
    if (unclassified.length > 0)
      say(
        'tables',
        `What ${unclassified.length === 1 ? 'a table' : `${unclassified.length} tables`} of ${store} hold: ${listed(unclassified)}`,
        'declare each under `tables`, or under `ignore` with a reason',
        by,
      );
  }
  const silent = new Map<string, Set<string>>();
  for (const column of activities.flatMap((it) => it.data.filter((one) => one.category === null).flatMap((one) => one.columns))) {
    const dot = column.lastIndexOf('.');
    const table = column.slice(0, dot);
    silent.set(table, (silent.get(table) ?? new Set()).add(column.slice(dot + 1)));
  }
  for (const [table, columns] of silent)
    say(`tables.${table}.columns`, `The categories of ${listed([...columns])}`, 'columns: { email: contact, … }', by);
  for (const it of tables.filter((one) => one.personal && one.purposes.length === 0))
    say(`tables.${it.table}.purposes`, `Why ${it.table} is kept`, 'purposes: [analytics]', 'Art. 30(1)(b)');
}

function recipients({ recipients: all }: Unfinished, say: Say): void {
  for (const it of all) {
    const at = `recipients.${it.name}`;
    if (it.receives.length === 0) say(`${at}.receives`, `What ${it.name} receives`, 'receives: [customer.email]', 'Art. 30(1)(d)');
    if (it.purposes.length === 0) say(`${at}.purposes`, `What ${it.name} receives it for`, 'purposes: [newsletter]', 'Art. 30(1)(d)');
    if (it.country === null) say(`${at}.country`, `Where ${it.name} is`, 'country: IE', 'Art. 30(1)(e)');
    if (it.transfer && it.safeguard === null)
      say(
        `${at}.safeguard`,
        `What makes the transfer to ${it.country} lawful`,
        'safeguard: adequacy decision …, or standard contractual clauses 2021/914',
        'Art. 30(1)(e), Art. 44',
      );
  }
}

function keeping({ keeping: tables }: Unfinished, say: Say): void {
  for (const it of tables) {
    if (it.personal && it.keep === null && it.goesWith.length === 0)
      say(`tables.${it.table}.retention`, `When rows of ${it.table} go`, 'retention: { keep: P2Y, after: created_at }', 'Art. 30(1)(f)');
  }
}
