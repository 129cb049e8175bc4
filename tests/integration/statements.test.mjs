// Each statement is given as many values as it has places: the program would end where it is first carried out otherwise.
// Read from the sources, because no other test carries out every one of them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { top } from './lib/stack.mjs';

const dir = path.join(top, 'common/store');
const sources = fs.readdirSync(dir).filter((name) => /\.[ch]$/.test(name))
  .map((name) => [name, fs.readFileSync(path.join(dir, name), 'utf8').replace(/\/\*[^]*?\*\//g, '')]);
const all = sources.map(([, text]) => text).join('\n');

const macros = new Map([...all.matchAll(/^#define (\w+)(?:\(\w+\))?((?:[^\n]*\\\n)*[^\n]*)/gm)].map(([, name, body]) => [name, body]));
const numbers = new Map([...all.matchAll(/\b([A-Z][A-Z_]+) = (\d+)\b/g)].map(([, name, value]) => [name, Number(value)]));

/** The places in C text that makes a statement: its own, and those of the macros in it. */
function placesOf(text, seen = []) {
  const strings = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner]) => inner).join('');
  const rest = text.replace(/"(?:[^"\\]|\\.)*"/g, ' ');
  const inner = [...rest.matchAll(/\b[A-Z][A-Z_0-9]{2,}\b/g)].map(([name]) => name)
    .filter((name) => macros.has(name) && !seen.includes(name));
  return strings.split('?').length - 1 + inner.reduce((sum, name) => sum + placesOf(macros.get(name), [...seen, name]), 0);
}

/** Splits at the commas that stand in no brackets and no strings. */
function argumentsOf(text, from) {
  const found = [];
  let depth = 0, start = from;
  for (let at = from; ; at++) {
    if (text[at] === '"') while (text[++at] !== '"') if (text[at] === '\\') at++;
    if ('([{'.includes(text[at])) depth++;
    if (depth === 0 && (text[at] === ',' || text[at] === ')')) {
      found.push(text.slice(start, at).trim());
      start = at + 1;
      if (text[at] === ')') return found;
    }
    if (')]}'.includes(text[at])) depth--;
  }
}

const numberOf = (text) => text.split('+').reduce((sum, part) => {
  const word = part.trim();
  return sum + (/^\d+$/.test(word) ? Number(word) : numbers.get(word) ?? NaN);
}, 0);

it('each statement is given as many values as it has places', () => {
  const places = new Map();
  for (const [, text] of sources)
    for (const { 1: name, index } of text.matchAll(/\{(SQL_\w+),\s*["A-Z]/g))
      places.set(name, placesOf(text.slice(index, text.slice(index).search(/\},?\s*(\n\s*\{SQL_|\n\};)/) + index)));
  let uses = 0;
  for (const [file, text] of sources)
    for (const { 0: call, 1: fn, index } of text.matchAll(/\bdb_(query|many)\((?=store->db, SQL_)/g)) {
      const [, name, , ...rest] = argumentsOf(text, index + call.length);
      const count = numberOf(fn === 'query' ? rest[0] : rest[1]);
      if (Number.isNaN(count)) continue; // worked out as it runs
      assert.ok(places.has(name), `${file}: no text of ${name}`);
      assert.equal(count, places.get(name), `${file}: ${name}`);
      uses++;
    }
  assert.ok(uses > 100, `${uses} uses`);
});
