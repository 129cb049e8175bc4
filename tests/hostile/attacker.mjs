// One attack as a process of its own: node attacker.mjs NAME {"url":…,"relayPorts":[…],"address":…,"seconds":…}
// Prints what it did as a line of JSON when its time is up.
import { attacks } from './attacks.mjs';
import { Attacker } from './tools.mjs';

const attack = attacks.find(({ name }) => name === process.argv[2]);
const attacker = new Attacker(JSON.parse(process.argv[3]));
process.on('unhandledRejection', () => attacker.count('failed'));
process.on('uncaughtException', () => attacker.count('failed'));
// A server may leave it hanging: it ends all the same.
const last = setTimeout(() => finish('late'), (attacker.seconds + 30) * 1000);
function finish(how) {
  clearTimeout(last);
  process.stdout.write(`${JSON.stringify({ how, ...attacker.counts })}\n`, () => process.exit(0));
}
attack.run(attacker).then(() => finish('done'), (error) => finish(String(error)));
