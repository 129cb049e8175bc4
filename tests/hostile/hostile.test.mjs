// The short form of `make hostile`: the attacks of which each stands for a kind, a few seconds each, one after the other
// on one server with its default settings. At its end every part still is the process that it was.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Stack } from '../integration/lib/stack.mjs';
import { attacks } from './attacks.mjs';
import { line, siege } from './siege.mjs';

const SECONDS = 4;

describe('what one process without an account can do to a server', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { log_level: 'info' } });
  });
  after(() => stack.remove());

  for (const row of attacks.filter(({ short }) => short))
    it(row.kind, async (t) => {
      let result = await siege(stack, row, { seconds: SECONDS });
      t.diagnostic(line(row, result));
      // How long something takes also depends on what else the machine does: what holds, holds the second time.
      if (result.faults.length) result = await siege(stack, row, { seconds: SECONDS });
      assert.deepEqual(result.faults, [], line(row, result));
    });

  it('and it ends in an orderly way, with whole numbers and no secrets in its logs', () => stack.checkAndStop());
});
