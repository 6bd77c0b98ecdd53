import type { Place, Problem } from './problem.ts';

interface Entry {
  readonly severity: Problem['severity'];
  readonly title: string;
  /** What to do about it, in a sentence or two. */
  readonly help: string;
}

/**
 * The one catalogue of problems. A code never changes its meaning and is never reused.
 * P0xx: found by reading the manifest alone. P1xx: found by comparing it with live databases.
 * docs/problems.md is made from this.
 */
export const CODES = {
  P001: {
    severity: 'error',
    title: 'The manifest cannot be read',
    help: 'Name a YAML or JSON file, a folder of them, or a module whose default export is `defineManifest({…})`.',
  },
  P002: {
    severity: 'error',
    title: 'Not valid YAML or JSON',
    help: 'Mend the syntax at the place named; everything else is looked at after that.',
  },
  P003: {
    severity: 'error',
    title: 'Defined twice',
    help: 'Keep one definition. Files of a folder are merged, so a key may stand in one of them only.',
  },
  P004: {
    severity: 'error',
    title: 'Unknown key',
    help: 'The nearest known key is named. Unknown keys are never skipped: a misspelt rule would not be kept.',
  },
  P005: { severity: 'error', title: 'Missing, or of a wrong kind', help: 'Write a value of the kind named.' },
  P006: { severity: 'error', title: 'Not one of the allowed values', help: 'Write one of the values listed.' },
  P007: {
    severity: 'error',
    title: 'Malformed duration',
    help: 'Durations are ISO 8601 calendar durations: `P90D`, `P13M`, `P2Y`. Pacing and jitter also take `200ms`, `30s`, `10m`, `2h`.',
  },
  P008: {
    severity: 'error',
    title: 'Malformed table or column id',
    help: 'Tables are `store.schema.table` and columns `store.schema.table.column`. Names that hold a dot cannot be written.',
  },
  P009: {
    severity: 'error',
    title: 'Malformed daily window',
    help: 'Write `HH:MM-HH:MM` in local time, such as `01:00-05:00`; it may pass midnight: `22:00-04:00`.',
  },
  P010: {
    severity: 'error',
    title: 'Malformed cron expression',
    help: 'Five fields: minute, hour, day of month, month, day of week. The time zone is the one of the manifest.',
  },
  P011: { severity: 'error', title: 'Unknown time zone', help: 'Use a name of the IANA time zone database, such as `Europe/Berlin`.' },
  P012: { severity: 'error', title: 'Unknown store', help: 'Declare it under `stores`, or write the name of one that is.' },
  P013: { severity: 'error', title: 'Unknown purpose', help: 'Declare it under `purposes`, or write the name of one that is.' },
  P014: { severity: 'error', title: 'Unknown subject or identity', help: 'Declare it under `subjects`, or write the name of one that is.' },
  P015: {
    severity: 'error',
    title: 'Not exactly one home store',
    help: 'Write `home: true` at the one store that shall hold runs, manifests and certificates.',
  },
  P016: { severity: 'error', title: 'Both declared and ignored', help: 'Remove the table from `tables` or from `ignore`.' },
  P017: { severity: 'error', title: 'The same rule twice', help: 'Remove one of them.' },
  P018: {
    severity: 'info',
    title: 'A floor is longer than the retention',
    help: 'Allowed: the floor wins, and rows stay until it ends. Say so in `because`, or lengthen `keep` so that a reader sees one number.',
  },
  P019: {
    severity: 'warning',
    title: 'A password or a key stands in the manifest',
    help: 'Manifests are reviewed, stored and hashed. Write `${NAME}` and put the value into the environment.',
  },
  P020: {
    severity: 'error',
    title: 'A rule across stores',
    help: 'Foreign keys end at the database: children, aggregates and last activity must be in the same store.',
  },
  P021: {
    severity: 'error',
    title: 'A table aggregated into itself',
    help: 'Name another table: rows written into the same table would expire again.',
  },
  P022: {
    severity: 'warning',
    title: 'A scheduled job that this version does not run',
    help: 'The schedule is kept in the manifest but not applied.',
  },
  P023: {
    severity: 'error',
    title: 'A purpose that must be granted on one channel and not on another',
    help: '`consent` and `soft_opt_in` need a word of the subject, the others do not: of a purpose with both nobody could say what a refusal means. Make two purposes.',
  },
  P024: {
    severity: 'error',
    title: 'A basis for something that is neither a channel nor a regime',
    help: 'The keys under `basis` are `default`, the channels of the purpose, and the regimes of `regimes`.',
  },
  P025: {
    severity: 'error',
    title: 'A channel without a legal basis',
    help: 'Add `default`, or an entry for each channel or each regime.',
  },
  P026: {
    severity: 'warning',
    title: 'A rule about grants where nothing is granted',
    help: '`expires` and `double_opt_in` speak of grants, which only `consent`, `soft_opt_in` and `opt_out` know. `minimum_age` is only remarked on: it also holds elsewhere.',
  },
  P027: {
    severity: 'warning',
    title: 'An age is asked for, and nobody’s is known',
    help: 'An unknown age is too young. Name the column under `subjects.X.birth`.',
  },
  P028: { severity: 'error', title: 'Unknown channel', help: 'Add it to `channels` of the purpose, or write one of those.' },
  P029: {
    severity: 'error',
    title: 'A reader that sees behind the views',
    help: 'A superuser, everybody, and Postgres’s own roles cannot be limited to the rows that permission allows. Name a role that has no other rights.',
  },
  P030: {
    severity: 'error',
    title: 'A column that says who somebody is, and is to outlast an erasure',
    help: '`on_erase: keep` leaves it in rows that stay although an erasure is about them. Allowed for a reason: say it in `because` of the column; the plan and the certificate show it.',
  },
  P031: {
    severity: 'error',
    title: 'An end on request of what no contract is',
    help: '`ends: on_request` says that a contract ends when the person asks for erasure. A consent ends when it is withdrawn, interests of yours end with an erasure anyway, and a duty or a task does not end by asking.',
  },
  P032: {
    severity: 'error',
    title: 'Rows that stay whoever goes, and are somebody’s all the same',
    help: '`stays` makes every reference of the table a mention. A subject’s own table, a shared one, and one that says `as: owner` or `as: both` of a reference say the opposite: keep one of the two.',
  },
  P033: {
    severity: 'warning',
    title: 'A column that says who somebody is, in rows that stay whoever goes',
    help: 'From a row that stays only the reference goes, and what `with` names beside it. The name stays, and the search after an erasure finds it. Name the column under `with` of the reference whose person it is, or say `on_erase: keep` and why in `because`.',
  },
  P035: {
    severity: 'error',
    title: 'A promise that nothing carries out',
    help: 'The word was planned, and nothing acts on it yet. Remove it, and write what is named instead: a manifest promises only what is kept.',
  },

  P101: {
    severity: 'warning',
    title: 'A store was not looked at',
    help: 'Its database was not read, so nothing about its tables could be checked.',
  },
  P102: { severity: 'error', title: 'Unknown table', help: 'The nearest name in the database is named.' },
  P103: { severity: 'error', title: 'Unknown column', help: 'The nearest column of the table is named.' },
  P104: {
    severity: 'error',
    title: 'Unclassified table',
    help: 'Every table of a named schema is declared under `tables`, or listed under `ignore` with a reason. A partition follows its parent.',
  },
  P105: {
    severity: 'error',
    title: 'Unclassified column',
    help: 'Where `columns` is given it names every column. Add it with its category.',
  },
  P106: { severity: 'error', title: 'Not a time', help: 'Retention and floors count from a `timestamptz`, `timestamp` or `date` column.' },
  P107: {
    severity: 'warning',
    title: 'A time without zone, and nothing says how to read it',
    help: 'Until `zoneless: local` or `zoneless: utc` is written every row is kept.',
  },
  P108: {
    severity: 'warning',
    title: 'A reference without an index',
    help: 'Each deleted parent row reads the whole child table. Or a request looks a person up in a table, by an address perhaps, and reads all of it each time; a plan says how many such there are. Create the index named; Probity never builds indexes itself.',
  },
  P109: {
    severity: 'error',
    title: 'Foreign keys in a cycle that cannot be opened',
    help: 'Rows of these tables cannot be deleted in any order. Make one of the columns nullable, or one constraint deferrable, or keep one of the children.',
  },
  P110: {
    severity: 'warning',
    title: 'A subject cannot be erased because of a cycle',
    help: 'An erasure would need to delete from tables that reference each other. Make one of the columns nullable, or one constraint deferrable.',
  },
  P111: {
    severity: 'error',
    title: 'Row security hides rows',
    help: 'A job that sees only some of the rows proves nothing. Connect as the owner, or as a role with BYPASSRLS, or add a policy that shows all rows.',
  },
  P112: {
    severity: 'error',
    title: 'A partition has a rule of its own',
    help: 'A partition follows its parent. Declare the parent only.',
  },
  P113: {
    severity: 'warning',
    title: 'Personal data with no path to a subject',
    help: 'Nobody could be found in this table. Add a reference under `references`, or a foreign key, or change the classification.',
  },
  P114: {
    severity: 'error',
    title: 'The subject key is not unique',
    help: 'A subject is one row: name the primary key or the columns of a unique constraint.',
  },
  P115: {
    severity: 'error',
    title: 'The mask cannot be written',
    help: 'The column is NOT NULL, generated, part of a key, or of another type.',
  },
  P116: {
    severity: 'warning',
    title: 'The mask may break a constraint',
    help: 'A check, a unique index or a foreign key mentions the column. Try the rule in a copy first; rows that the constraint refuses are reported and stay.',
  },
  P117: {
    severity: 'error',
    title: 'The aggregate does not fit its target',
    help: 'Types of both sides must agree, and every NOT NULL column without default must be filled.',
  },
  P118: {
    severity: 'error',
    title: 'The aggregate target has no unique key over its groups',
    help: 'Sums are added to the existing row of a group, so a unique constraint or index over exactly the `by` columns is needed.',
  },
  P119: {
    severity: 'error',
    title: 'Last activity in a table that does not reference this one',
    help: 'Name a column of a table with a foreign key, or a declared reference, to this one.',
  },
  P120: {
    severity: 'error',
    title: 'A child that does not reference the table',
    help: 'Under `children` stand tables that reference this one, or one of the children that are deleted.',
  },
  P121: { severity: 'error', title: 'Cannot detach', help: 'A column of the reference is NOT NULL. Use `delete` or `keep`.' },
  P122: {
    severity: 'error',
    title: 'Rows outside the plan would change',
    help: 'A foreign key with ON DELETE CASCADE, SET NULL or SET DEFAULT points here from a table that the manifest does not know. Declare that table, or name it under `children`.',
  },
  P123: {
    severity: 'error',
    title: 'A rewrite rule changes what DELETE or UPDATE does',
    help: 'Effects could be neither counted nor proven. Replace the rule by a trigger, or remove it.',
  },
  P124: {
    severity: 'error',
    title: 'A table that Probity refuses to change',
    help: 'The reason is named. Ignore the table with a reason, or change its kind.',
  },
  P125: {
    severity: 'error',
    title: 'A privilege is missing',
    help: 'An error when it is needed to plan, or in `mode: enforce`; a warning while only observing. Run the GRANT that is named.',
  },
  P126: {
    severity: 'info',
    title: 'Data to minimise: nothing uses it',
    help: 'No purpose covers it. Name the purpose that needs it, or stop collecting it.',
  },
  P127: {
    severity: 'info',
    title: 'Data to minimise: kept longer than any use',
    help: 'Shorten `keep`, or name the purpose that needs it longer.',
  },
  P128: {
    severity: 'info',
    title: 'Data to minimise: nothing says when it goes',
    help: 'Personal data without `retention` stays for ever. Add a rule.',
  },
  P129: {
    severity: 'info',
    title: 'No index over the retention column',
    help: 'Every run reads the whole table. Fine for a table where most rows expire at once.',
  },
  P130: {
    severity: 'warning',
    title: 'A foreign key that Postgres does not vouch for',
    help: 'It is NOT ENFORCED or NOT VALID. It is followed like any other, but existing rows may point to nothing.',
  },
  P131: {
    severity: 'info',
    title: 'Rows that are referenced are kept',
    help: 'The default for a child table that `children` does not name. `probity retention explain TABLE --kept` says which rows stay.',
  },
  P132: {
    severity: 'warning',
    title: 'A trigger may swallow or refuse deletes',
    help: 'A BEFORE DELETE row trigger can cancel what the plan does, and one of the statement can refuse it altogether. A table whose rows survive their DELETE stops the run as an error. Only `info` for updates.',
  },
  P133: { severity: 'error', title: 'Not a JSON column', help: 'Paths under `json` need a column of type json or jsonb.' },
  P134: {
    severity: 'warning',
    title: 'A reference between different types',
    help: 'It is followed by comparing texts, which no index on the columns helps. An error where the numbers of columns differ.',
  },
  P135: {
    severity: 'error',
    title: 'Not a time of birth',
    help: '`birth` is a date, a timestamp, or the year of birth as a whole number. Of a year the last day counts.',
  },
  P136: {
    severity: 'error',
    title: 'A column of a consent table that does not fit',
    help: 'Times are `timestamptz`, `timestamp` or `date`, keys are of the type of the subject’s key, and everything else is text (`decision` may be anything that `decisions` translates).',
  },
  P137: {
    severity: 'warning',
    title: 'Nothing says when it was captured',
    help: 'For a purpose that needs consent a row counts only if permission held when it was captured. Without `captured_at`, on the table or on one that it references on the way to the subject, no row is ever shown.',
  },
  P138: {
    severity: 'warning',
    title: 'A table for a purpose, and nobody to ask for permission',
    help: 'No way leads from its rows to a subject, so the view of the purpose stays empty; only remarked on where no consent is needed. Add a reference, or classify the columns as `aggregate` when nobody can be found in them.',
  },
  P139: {
    severity: 'warning',
    title: 'A subject outside of the home store',
    help: 'Permission is judged in the home store, by the subject’s own row. A subject that lives elsewhere is unknown there: every answer is no.',
  },
  P140: {
    severity: 'error',
    title: 'The end of a purpose is not at the subject',
    help: '`ends` names a column of a subject’s own table, so that there is one answer for each subject. Add such a column there.',
  },
  P141: {
    severity: 'info',
    title: 'A withdrawal would erase nothing',
    help: 'Each column that the purpose uses serves another purpose too, so all of it stays. Right, if those purposes need it; otherwise say for each column who does.',
  },
  P142: {
    severity: 'error',
    title: 'A value that the column cannot hold',
    help: '`on_erase` says what a column holds in rows that stay although an erasure is about them. Its type, NOT NULL, a check or a unique index refuses that: name another value, `null` or `generated`. Keys, references and times that rules count from are never masked.',
  },
  P143: {
    severity: 'error',
    title: 'A reference to what is not unique',
    help: 'Where several rows have the value, nobody can tell whose the referencing row is, and it would go with each of them. Refer to a unique column. A subject’s identity needs no constraint: who else has it is asked each time. What several people own is declared under `shared`, with a reference from its owners.',
  },
  P144: {
    severity: 'warning',
    title: 'Values that are nobody’s identity',
    help: 'Several rows of the subject have what plainly stands for no value (`n/a`, `unknown`, `000000`), or more than 20 have the same (a call centre’s number, a reseller’s address). Of names only the former counts. Nobody is looked up by it and it is not searched for, so that rows that refer by it go with nobody. Set it null, or leave it. The value is shown only where it plainly says nothing of anybody. Of large tables a sample is counted. Only `info` where a store gave no count in time.',
  },
  P145: {
    severity: 'warning',
    title: 'A subject that is known by its key alone',
    help: 'After an erasure every text is searched for the person’s identities. Without any, their name in somebody else’s comment is no trace. Name the columns that say who they are under `identities`: e-mail, phone, user name, address of a profile.',
  },
  P146: {
    severity: 'warning',
    title: 'A check on a reference that is cut',
    help: 'A reference that only mentions a person becomes null when their row goes. A CHECK constraint that needs the column, such as one that counts how many of several are filled, refuses that, and the erasure stops before anything is changed. Let the check allow null, or say whose the row is in another way.',
  },
  P150: {
    severity: 'error',
    title: 'Nothing says whose the rows are',
    help: 'A row that names two people does not go with either of them just so. Say of each reference what it means, under `references`: `as: owner` (the row is about that person and goes with them), `as: mention` (it only names them: the reference goes, the row stays) or `as: both` (one of several owners: the row stays for the others, and goes with the last). Where one is an owner the others are mentions. `probity check --map` shows what each reference means, and why.',
  },
  P151: {
    severity: 'error',
    title: 'A reference that cannot mean that',
    help: '`as` says whose a row is, so the reference must lead to people; a subject’s own row is about that subject; and only references that name people themselves can name several owners. `with` names columns that go from a row that stays.',
  },
  P152: {
    severity: 'warning',
    title: 'A trigger that may copy what goes',
    help: 'Its function is read for what it writes, as far as its text tells; functions that it calls, statements that it makes up and other languages are not seen into. Declare the table that it writes with a rule of its own and references to the subject, so that its rows go too, or drop the trigger.',
  },
  P153: {
    severity: 'warning',
    title: 'A partition that a purge has detached',
    help: 'The purge was ended between detaching and dropping it, and could not attach it again: its rows stand outside of every plan. While the purge still runs there is nothing to do; otherwise attach it by the statement named, and the next purge takes it.',
  },
  P160: {
    severity: 'error',
    title: 'A stranger’s object could run as our role',
    help: 'It stands in a schema of our role’s search path (or in ours, or is a cast) and bears the name of something of Postgres’s or the company’s, whose place it takes for some types. Nothing runs in this store while it is there. Drop it, give it to a role that is trusted (a superuser, the owner of the database, our role, the owner of a declared table), or take its schema out of our role’s path: `alter role … set search_path = …`.',
  },
  P161: {
    severity: 'warning',
    title: 'Others may create where our role looks for operators',
    help: 'Such an object stops every run as soon as it is noticed, but may have run once by then. `public` is open to everybody in databases made before Postgres 15. Revoke CREATE as shown, or take the schema out of our role’s path.',
  },
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof CODES;

/** Makes a problem; `severity` only where the catalogue says that it depends. */
export function problem(
  code: Code,
  place: Place | null,
  message: string,
  fix: string | null = null,
  severity?: Problem['severity'],
): Problem {
  return { code, severity: severity ?? CODES[code].severity, message, fix, place };
}

/** The text of docs/problems.md. */
export function problemsPage(): string {
  const sections = Object.entries(CODES).map(([code, entry]) => `## ${code}\n\n**${entry.title}** (${entry.severity}). ${entry.help}\n`);
  return [
    '# Problems that `probity check` reports\n',
    'Every problem has a stable code, a place (file:line:column) and, where there is one, what to write instead.',
    '`error`: nothing runs until it is mended. `warning`: it runs, and something is likely not as meant. `info`: worth knowing.',
    'P0xx come from reading the manifest alone, P1xx from comparing it with the live databases.\n',
    '<!-- Made from manifest/codes.ts: change it there, then run `npx vitest run test/manifest/generated.test.ts -u`. -->\n',
    ...sections,
  ].join('\n');
}
