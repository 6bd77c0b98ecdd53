import { EMAIL } from '../serving/replica.ts';
import { has } from '../words.ts';
import { phoneForm } from './phones.ts';
import { namedLikePhone } from './tokens.ts';

/** Addresses are compared without case and outer blanks, numbers as people write them, everything else exactly. */
export type Comparison = 'address' | 'phone' | 'exact';

export function comparisonOf(identity: string): Comparison {
  if (identity === EMAIL) return 'address';
  return namedLikePhone(identity) ? 'phone' : 'exact';
}

/** Before what has the form of no number: others who have it are found by its text. No number's form begins so. */
const AS_WRITTEN = '=';

/** What values of an identity are looked up by; null for blank ones. */
export function lookUpForm(identity: string, value: string): string | null {
  const text = value.trim();
  if (text === '') return null;
  const comparison = comparisonOf(identity);
  if (comparison === 'phone') return phoneForm(text) ?? `${AS_WRITTEN}${value}`;
  return comparison === 'address' ? text.toLowerCase() : value;
}

/** The text of a number that has no form of one; null where it has. */
export function asWritten(identity: string, form: string): string | null {
  return comparisonOf(identity) === 'phone' && form.startsWith(AS_WRITTEN) ? form.slice(AS_WRITTEN.length) : null;
}

/** Families share a number and strangers a name: neither makes two rows one person. */
export function joinsPeople(identity: string): boolean {
  return comparisonOf(identity) !== 'phone' && !isName(identity);
}

export function isName(identity: string): boolean {
  return has(identity, 'name|first_name|last_name|full_name');
}

/** What people write where they have nothing to write. In lower case, without what stands around them. */
const WORDS = new Set(
  [
    'n/a,na,n.a,none,no,nil,null,undefined,unknown,test,tbd,tba,anonymous,dummy,placeholder,nobody,not given,not provided,not available',
    'k.a,ka,keine,kein,keine angabe,unbekannt,nicht bekannt,anonym,leer,inconnu,inconnue,aucun,aucune,desconocido,ninguno,sconosciuto,nessuno',
    'onbekend,geen,noreply,no-reply,no_reply,donotreply,do-not-reply,noemail,no-email,nomail,nophone,no phone,no email',
  ].flatMap((line) => line.split(',')),
);
/** `0123456789`, and the beginnings of it that somebody types. */
const COUNTED = /^0?1234(5(6(7(8(90?)?)?)?)?)?$/;
/** All the same, such as `000-0000`. */
const ONE_DIGIT = /^(\d)\1*$/;

/** Whether a value plainly stands for no value: it says nothing of anybody, and may be shown. */
export function isPlaceholder(identity: string, value: string): boolean {
  const text = value.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '');
  if (text === '' || WORDS.has(text)) return true;
  switch (comparisonOf(identity)) {
    case 'phone': {
      const digits = text.replace(/[^\p{L}\p{N}]/gu, '');
      return ONE_DIGIT.test(digits) || COUNTED.test(digits);
    }
    case 'address':
      return WORDS.has(text.split('@')[0]!);
    default:
      return false;
  }
}

/** A placeholder as it is shown: without the domain, which may be somebody's, and without what a terminal would obey. */
export function placeholderText(identity: string, value: string): string {
  const text = comparisonOf(identity) === 'address' ? value.replace(/@.*$/s, '@…') : value;
  return text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]|`/gu, '').trim();
}
