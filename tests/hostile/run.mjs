// make hostile: every attack, one after the other, each as long as it is told, against a server with its default settings:
// node run.mjs [--only a,b] [--seconds N] [--same]    --same: the attacks come from the honest people's own address.
// Prints figures, and ends with 1 if anything did not hold. The bounds are those of a machine that does nothing else: the
// step in each line says whether it was one.
import { Stack } from '../integration/lib/stack.mjs';
import { attacks } from './attacks.mjs';
import { line, siege } from './siege.mjs';

const argument = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const only = argument('only')?.split(',');
const seconds = Number(argument('seconds', 20));
const address = process.argv.includes('--same') ? '127.0.0.1' : '127.0.0.2';

let failed = 0;
const chosen = attacks.filter(({ name }) => !only || only.includes(name));
for (const row of chosen) {
  const stack = await Stack.start({ settings: { log_level: 'info' } });
  try {
    const result = await siege(stack, row, { seconds, address, hard: true });
    console.log(line(row, result));
    failed += result.faults.length > 0;
  } finally {
    await stack.remove();
  }
}
console.log(`\n${chosen.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
