import { sql } from 'kysely';
import { ident, tableRef } from '../../identifiers.ts';
import { any } from '../../retention/protection.ts';
import { judgement, type Look } from './judge.ts';
import { mentionedColumns } from './masks.ts';
import { leadsTo, ownedByOthers, ROW } from './reach.ts';
import { isRow, ROWS } from './rows.ts';

/**
 * Enters rows that name the people without being theirs alone, for what goes from them. What a hold or a floor protects stays as it is, and is
 * counted so.
 */
export async function enterMentions(look: Look, index: number): Promise<void> {
  const { trx, target, who } = look;
  const { name, plan, masks } = target.tables[index]!;
  if (plan === null || masks === null || plan.mentions.length === 0) return;
  const { outcome, why } = judgement(look, plan, index, sql`'other'`);
  const locking = look.locking ? sql` for no key update of ${ident(ROW)}` : sql``;
  const values = mentionedColumns(masks, plan, ROW);
  for (const [bit, { way }] of plan.mentions.entries()) {
    // As text, since not every type has an equality. What is gone already is not counted again.
    const left = values
      .filter((it) => it.bit === bit)
      .map((it) => sql<boolean>`${ident(ROW, it.name)}::text is distinct from (${it.value})::text`);
    await sql`
      insert into ${ROWS} as entered (tbl, oid, tid, outcome, reached, why, mention)
      select ${sql.lit(index)}, ${ident(ROW)}.tableoid, ${ident(ROW)}.ctid, ${outcome}, false, ${why}, 1::bigint << ${sql.lit(bit)}
      from ${tableRef(name)} as ${ident(ROW)}
      where ${leadsTo(way, name, target.catalog, who, () => sql<boolean>`true`)} and ${any(left)}${locking}
      on conflict (tbl, oid, tid) do update set mention = entered.mention | excluded.mention,
        outcome = case entered.outcome when 'keep' then 'mask' else entered.outcome end`.execute(trx);
  }
  await sql`
    update ${ROWS} as x set mention = 0 where x.tbl = ${sql.lit(index)} and x.outcome in ('held', 'floor') and x.mention <> 0`.execute(trx);
}

/** A row that several people own stays for the others, whatever becomes of this one. After all rows were entered. */
export async function judgeOwned(look: Look, index: number): Promise<void> {
  const { trx, target, who } = look;
  const { name, plan } = target.tables[index]!;
  if (plan === null || plan.owners.length === 0) return;
  await sql`
    update ${ROWS} as x set outcome = 'shared' from ${tableRef(name)} as ${ident(ROW)}
    where x.tbl = ${sql.lit(index)} and x.outcome in ('delete', 'mask', 'keep') and ${isRow(ROW)}
      and ${ownedByOthers(plan.owners, name, ROW, target.catalog, who)}`.execute(trx);
}
