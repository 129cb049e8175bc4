// The short form of `make hostile`: the attacks of which each stands for a kind, a few seconds each, one after the other
// on one server with its default settings. At its end every part still is the process that it was.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Stack } from '../integration/lib/stack.mjs';
import { attacks } from './attacks.mjs';
import { slowness } from './control.mjs';
import { line, noticed, NEWCOMER_MS, PAIR_P99_MS, siege } from './siege.mjs';

const SECONDS = 4;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe('what is said of an attack', () => {
  const fine = { talk: { said: 80, lost: 0, closed: 0, p50: 5, p99: PAIR_P99_MS },
    came: { came: 20, failures: [], p50: 20, slowest: { way: 'rest', ms: NEWCOMER_MS } } };
  const late = (times) => ({ talk: { ...fine.talk, p99: times * PAIR_P99_MS + 1 },
    came: { ...fine.came, slowest: { way: 'rest', ms: times * NEWCOMER_MS + 1 } } });

  it('on a machine that is not slow the bounds are what they are', () => {
    for (const step of [{ p50: 0, p99: 0 }, { p50: 0.5, p99: 5 }, { p50: 2.5, p99: 25 }]) {
      assert.equal(slowness(step), 1);
      assert.deepEqual(noticed(fine, slowness(step)), []);
      assert.deepEqual(noticed(late(1), slowness(step)), ["the pair's p99 is 251 ms", 'a newcomer (rest) took 1001 ms']);
    }
  });

  it('on one that takes twice as long for a step, twice that, and no more', () => {
    for (const step of [{ p50: 1, p99: 50 }, { p50: 5, p99: 10 }]) {
      assert.equal(slowness(step), 2);
      assert.deepEqual(noticed(late(1), slowness(step)), []);
      assert.deepEqual(noticed(late(2), slowness(step)),
        ["the pair's p99 is 501 ms, not below 500", 'a newcomer (rest) took 2001 ms, not below 2000']);
    }
  });

  it('what is lost, refused or closed is a fault on any machine', () => {
    const bad = { talk: { ...fine.talk, lost: 1, closed: 1 }, came: { ...fine.came, failures: ['rest: 503'] } };
    assert.equal(noticed(bad, 100).length, 3);
    assert.equal(noticed({ talk: { ...fine.talk, said: 0 }, came: { ...fine.came, came: 0 } }, 100).length, 2);
  });
});

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
      // The control says how slow the machine is, but not of every moment: what holds, holds the second or third time.
      for (let again = 0; result.faults.length && again < 2; again++) result = await siege(stack, row, { seconds: SECONDS });
      assert.deepEqual(result.faults, [], line(row, result));
    });

  it('a relay that stands still meanwhile is noticed, and is not taken for a slow machine', async (t) => {
    const stopped = async (control) => {
      await pause(1000);
      await stack.kill('relay1', 'STOP');
      const since = performance.now();
      const enough = () => Math.max(1000, 2 * PAIR_P99_MS * slowness(control.figures()));
      while (performance.now() - since < enough()) await pause(50);
      await stack.kill('relay1', 'CONT');
    };
    const row = attacks.find(({ name }) => name === 'odd-heads');
    const result = await siege(stack, row, { seconds: SECONDS, meanwhile: stopped });
    t.diagnostic(line(row, result));
    assert.match(result.faults.join('\n'), /^the pair's p99 is/m);
  });

  it('and it ends in an orderly way, with whole numbers and no secrets in its logs', () => stack.checkAndStop());
});
