import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escaped, html } from '../../domain/html.ts';

test('text is escaped once, pieces stay, nothing leaves nothing', () => {
  const inner = html`<b>${'<&">'}</b>`;
  expect(html`<p title="${`"x'`}">${inner}${null}${false}${undefined}${0}${['a', html`<i>${'&'}</i>`]}</p>`.text).toBe(
    '<p title="&quot;x&#39;"><b>&lt;&amp;&quot;&gt;</b>0a<i>&amp;</i></p>',
  );
});

test('no text can open a tag, or end an attribute', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(escaped(text)).not.toMatch(/[<>"']/);
      expect(html`${text}`.text).toBe(escaped(text));
    }),
  );
});
