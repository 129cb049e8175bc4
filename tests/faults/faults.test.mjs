// Some rounds of faults, short enough for every run of the tests; "make faults" has more, and other seeds.
import assert from 'node:assert/strict';
import path from 'node:path';
import { it } from 'node:test';
import { bin } from '../integration/lib/stack.mjs';
import { rounds } from './run.mjs';

it('parts fail under talk: nothing that was acknowledged is lost, nobody misses anything or gets it twice, ' +
  'presence is true', async () => {
  const lines = [];
  const say = (line) => {
    lines.push(line);
    console.log(line);
  };
  const bad = await rounds({ count: 2, seed: Number(process.env.SEED || 5), faults: 6, spanMs: 5000, longestMs: 2500,
    out: path.join(bin, 'faults'), say });
  assert.equal(bad, 0, lines.join('\n'));
});
