/** Telephone numbers as people write them. A number's form decides what it may be compared with. */

/** `+4917…`: with its country. `0170…`: with a trunk prefix. `170…`: neither is known. Digits otherwise. */
export type PhoneForm = string;

/** Numbers are looked up by these last digits and then compared in full. */
export const PHONE_TAIL = 7;
/** E.164 has at most 15; two more for `00`. */
export const MOST_DIGITS = 17;
/** A shorter one may be a part of somebody else's number that has an area code. */
const LEAST_COMPARABLE = 8;

/** Separators inside a number. A line break or a comma ends it. */
const BETWEEN = String.raw`[ \t\u00a0\u2007\u202f().\/\u2010-\u2015-]{0,3}`;
const RUN = new RegExp(String.raw`(?<![\p{L}\p{N}])\(?(?:\+\(?)?\d(?:${BETWEEN}\+?\d)*(?![\p{L}\p{N}])`, 'gu');
const GROUP = /\+?\(?\d+/g;

/** Null for what has too few or too many digits to be looked for. */
export function phoneForm(written: string): PhoneForm | null {
  const plain = written.replace(/(?<=\d[^\d+]*)\(0\)/, '');
  const digits = plain.replace(/\D/g, '');
  if (digits.length < PHONE_TAIL || digits.length > MOST_DIGITS) return null;
  if (/^\W*\+/.test(plain)) return `+${digits}`;
  if (digits.startsWith('00')) return `+${digits.slice(2)}`;
  return digits;
}

/** What both have to end in. */
export function phoneTail(form: PhoneForm): string {
  return form.slice(-PHONE_TAIL);
}

/**
 * Whether two forms may be one number: the same digits, or one is the other with a country in front. Numbers of unknown country and the same
 * digits are taken for one: a person decides about a hit, and nobody could about what is not shown.
 */
export function samePhone(a: PhoneForm, b: PhoneForm): boolean {
  const [bareA, bareB] = [bare(a), bare(b)];
  if (bareA === bareB) return true;
  const [shorter, longer, form, longForm] = bareA.length < bareB.length ? [bareA, bareB, a, b] : [bareB, bareA, b, a];
  if (form.startsWith('+') || longForm.startsWith('0') || shorter.length < LEAST_COMPARABLE || !longer.endsWith(shorter)) return false;
  return /^[1-9]\d{0,2}0?$/.test(longer.slice(0, longer.length - shorter.length));
}

function bare(form: PhoneForm): string {
  return form.replace(/^\+?0*/, '');
}

/** Every number that a text may hold. Numbers that stand side by side are taken apart where one may begin and where a group of digits ends. */
export function phonesIn(text: string): PhoneForm[] {
  const found = new Set<PhoneForm>();
  for (const [run] of text.matchAll(RUN)) {
    const groups = [...run.matchAll(GROUP)].map((it) => ({ text: it[0], at: it.index, digits: it[0].replace(/\D/g, '').length }));
    // Where a number with a country or a trunk prefix began: what follows belongs to it until it would be too long.
    let began: number | null = null;
    groups.forEach((group, index) => {
      const trunk = group.text.startsWith('(0') && run[group.at + group.text.length] === ')' && group.digits === 1;
      const marked = !trunk && /^\(?\+|^\(?0/.test(group.text);
      // So many digits in one go are no part of a number without a country.
      const own = began !== null && !groups[began]!.text.includes('+') && group.digits >= LEAST_COMPARABLE + 1;
      const inside = began !== null && !own && digitsOf(groups, began, index) <= MOST_DIGITS - 2;
      if (!marked && inside) return;
      if (marked) began = index;
      for (let end = index; end < groups.length && digitsOf(groups, index, end) <= MOST_DIGITS + 1; end++) {
        const last = groups[end]!;
        const form = phoneForm(run.slice(group.at, last.at + last.text.length) + (run[last.at + last.text.length] === ')' ? ')' : ''));
        if (form !== null) found.add(form);
      }
    });
  }
  return [...found];

  function digitsOf(groups: readonly { readonly digits: number }[], from: number, to: number): number {
    let sum = 0;
    for (let index = from; index <= to; index++) sum += groups[index]!.digits;
    return sum;
  }
}
