// Links in the words of others: what becomes one, what must not, and that no character is lost.
import assert from 'node:assert/strict';
import test from 'node:test';
import { linkParts } from '../../web/js/text.js';

const links = (text) => linkParts(text).filter((p) => p.href).map((p) => p.text);

test('http and https, and nothing else', () => {
  assert.deepEqual(links('http://a.test and https://b.test/x?y=1#z'), ['http://a.test', 'https://b.test/x?y=1#z']);
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'ftp://a.test', 'www.a.test', 'https://', 'xhttp:/a',
    'https://user:pw@a.test', 'https://bank.example@evil.test/']) {
    assert.deepEqual(links(text), [], text);
  }
});

test('the sentence around a link stays outside', () => {
  assert.deepEqual(links('see https://a.test/x.'), ['https://a.test/x']);
  assert.deepEqual(links('(https://a.test/x)'), ['https://a.test/x']);
  assert.deepEqual(links('https://a.test/Tea_(drink)).'), ['https://a.test/Tea_(drink)']);
  assert.deepEqual(links('看https://a.test/x\uFF0C很好'), ['https://a.test/x']);
  assert.deepEqual(links('看https://a.test/茶\u3002'), ['https://a.test/茶']);
  assert.deepEqual(links('<a href="https://a.test/">x</a>'), ['https://a.test/']);
});

test('a character that turns the writing around ends a link', () => {
  assert.deepEqual(links('https://a.test/\u202Egpj.exe'), ['https://a.test/']);
});

test('the pieces put together are the text', () => {
  for (const text of ['', 'plain', '<script>alert(1)</script>', 'a https://b.test) c https://d.test!! e',
    '\u0000\uD83C\uDF75 https://x.test/🍵 %_\\"\'']) {
    assert.equal(linkParts(text).map((p) => p.text).join(''), text);
  }
});

test('a frame full of brackets, stops or links is no work: the time grows with the length, not its square', () => {
  for (const text of [`https://a.test/${')'.repeat(65_000)}`, `https://a.test/${'.)'.repeat(32_000)}`,
    'https://'.repeat(8_000), 'http://a.b '.repeat(6_000)]) {
    const start = process.cpuUsage().user;
    linkParts(text);
    assert.ok(process.cpuUsage().user - start < 500_000, text.slice(0, 30));
  }
});
