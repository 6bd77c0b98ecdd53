import { durationParts } from '../../manifest/duration.ts';
import type { Basis, IsoDuration } from '../../manifest/model.ts';

/** Where the GDPR holds: the Union, Iceland, Liechtenstein and Norway. ISO 3166-1. A transfer is what leaves it. */
const EEA: readonly string[] = 'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO'.split(' ');

/** Whether a country (`DE`, `US-CA`) is inside the European Economic Area. */
export function isInside(country: string): boolean {
  return EEA.includes(country.toUpperCase().split('-')[0]!);
}

/** The provision that each basis is. */
export const ARTICLES: Readonly<Record<Basis, string>> = {
  consent: 'Art. 6(1)(a) GDPR',
  contract: 'Art. 6(1)(b) GDPR',
  legal_obligation: 'Art. 6(1)(c) GDPR',
  vital_interests: 'Art. 6(1)(d) GDPR',
  public_task: 'Art. 6(1)(e) GDPR',
  legitimate_interests: 'Art. 6(1)(f) GDPR',
  soft_opt_in: 'Art. 6(1)(f) GDPR with Art. 13(2) Directive 2002/58/EC',
  opt_out: 'a law that lets people opt out, such as Cal. Civ. Code 1798.120',
};

const UNITS = ['years', 'months', 'weeks', 'days', 'hours', 'minutes', 'seconds'] as const;

/** `P13M` → `13 months`, `P1Y` → `1 year`. */
export function durationWords(duration: IsoDuration): string {
  const parts = durationParts(duration);
  if (parts === null) return duration;
  const said = UNITS.filter((unit) => parts[unit] > 0).map((unit) => `${parts[unit]} ${parts[unit] === 1 ? unit.slice(0, -1) : unit}`);
  return said.length === 0 ? 'not at all' : said.join(' ');
}

/** `legal_obligation` → `legal obligation` */
export function spaced(name: string): string {
  return name.replaceAll('_', ' ');
}
