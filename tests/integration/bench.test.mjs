// The benchmark: what it says of a run, of what was lost and of what it cannot do. No test here asks how fast anything is.
import test from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { median } from '../../bench/load.mjs';
import { barChart } from '../../bench/svg.mjs';
import { markdownTable, rowsOf, textTable } from '../../bench/table.mjs';
import { bin, run, top } from './lib/stack.mjs';

const bench = (...args) => run(process.execPath, [path.join(top, 'bench', 'run.mjs'), bin, ...args], { env: { PORT: '' } });

test('one scenario runs against every peer, loses nothing and leaves a table', async () => {
  const { code, stdout, stderr } = await bench('--only', 'a', '--seconds', '1', '--rounds', '1');
  assert.equal(code, 0, stdout + stderr);
  const lines = stdout.split('\n');
  const from = lines.findIndex((line) => line.startsWith('scenario '));
  assert.ok(from > 0, stdout);
  const rows = lines.slice(from + 1, from + 4);
  for (const [row, peer] of rows.map((line, i) => [line, ['bare send()', 'nchan', 'Node ws + MySQL'][i]])) {
    assert.match(row, /^\(a\) one room of 500, 100 messages\/s +CPU per delivery +[\d.]+ µs +[\d.]+ µs  /);
    assert.ok(row.includes(peer), row);
  }
  for (const row of rows.slice(0, 2)) assert.match(row, /≤ (1\.4|0\.7) × +(met|MISSED)/);
  assert.match(stdout, /\d targets met, \d missed, 0 failed/);
});

test('a scenario that does not exist is refused', async () => {
  const { code, stderr } = await bench('--only', 'a,z');
  assert.equal(code, 2);
  assert.match(stderr, /no scenario z: a b c/);
});

const scenario = (aim, better) => ({ id: 'x', title: 'x', rows: [
  { what: 'w', unit: 'µs', figure: (f) => f.n, ours: 'ours', peer: ['one', 'two'], better, aim }] });
const results = (ours, one, two) => ({ ours: { figures: { n: ours } }, one: { figures: { n: one } }, two: { figures: { n: two } } });
const verdicts = (...run) => rowsOf([{ scenario: run[0], results: run[1] }]).map((row) => row.verdict);

test('a target counts against the best of the peers', () => {
  assert.deepEqual(verdicts(scenario({ ratio: true, most: 0.5 }, Math.min), results(5, 10, 20)), ['met']);
  assert.deepEqual(verdicts(scenario({ ratio: true, most: 0.5 }, Math.min), results(5, 20, 9)), ['MISSED']);
  assert.deepEqual(verdicts(scenario({ ratio: true, least: 2 }, Math.max), results(20, 5, 10)), ['met']);
  assert.deepEqual(verdicts(scenario({ ratio: true, least: 2 }, Math.max), results(20, 11, 5)), ['MISSED']);
  assert.deepEqual(verdicts(scenario({ difference: true, most: 2.5 }, Math.min), results(5, 3, 4)), ['met']);
  assert.deepEqual(verdicts(scenario({ value: true, most: 4 }, Math.min), results(5, 1, 1)), ['MISSED']);
});

test('what failed is said in its row, and what was not reported is a failure', () => {
  const lost = { ...results(5, 10, 20), one: { error: '3 lost' } };
  const [row] = rowsOf([{ scenario: scenario({ ratio: true, most: 1 }, Math.min), results: lost }]);
  assert.equal(row.verdict, 'FAILED');
  assert.ok(textTable([row]).includes('one: 3 lost'));
  assert.match(markdownTable([row]), /\*\*failed\*\* \| one: 3 lost/);
  assert.deepEqual(verdicts(scenario({ ratio: true, most: 1 }, Math.min), results(undefined, 10, 20)), ['FAILED']);
  assert.deepEqual(verdicts(scenario({ ratio: true, most: 1 }, Math.min), { ours: { figures: { n: 1 } } }), ['FAILED']);
});

test('of several rounds the middle counts, number by number', () => {
  assert.deepEqual(median([{ a: 1, b: { c: 9 } }, { a: 5, b: { c: 1 } }, { a: 2, b: { c: 4 } }]), { a: 2, b: { c: 4 } });
  assert.deepEqual(median([{ a: 1, b: null }, { a: 4, b: null }]), { a: 2.5, b: null });
});

test('a plot names its axis, its bars and their figures, and escapes what it names', () => {
  const svg = barChart({ title: 'a < b', axis: 'µs', groups: [{ name: 'g', bars: [{ label: 'send()', value: 4, text: '4.00' }] }],
    mark: { value: 8, text: 'target' } });
  for (const text of ['a &lt; b', '>µs<', '>send()<', '>4.00<', '>target<']) assert.ok(svg.includes(text), text);
});
