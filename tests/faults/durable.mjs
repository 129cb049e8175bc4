// Nothing is shown before it is durable: MariaDB is killed under talk, again and again, while pollers, streams, native
// clients, histories and a client of the database itself look at what has just been said. Whatever anybody was shown
// under a number must be what is stored under it.
import fs from 'node:fs';
import path from 'node:path';
import mysql from 'mysql2/promise';
import { Stack } from '../integration/lib/stack.mjs';
import { check, figures } from './checker.mjs';
import { Events, Frame, Poller, Poster } from './clients/rooms.mjs';
import { Native } from './clients/native.mjs';
import { Page } from './clients/chatroom.mjs';
import { startAgain } from './faults.mjs';
import { allConnected, caughtUp, gather, lastWords, talks } from './round.mjs';
import { SETTINGS } from './run.mjs';
import { World, pause } from './world.mjs';

const EACH = 25; // kills of a round: a stack lives as long, and its history is judged

/** Reads a room's newest rows as fast as it can, over a connection of its own. */
class SqlReader {
  seen = new Map(); // seq → text, as it was written down last

  constructor(world, room, where) {
    Object.assign(this, { world, room, where });
  }

  async run() {
    const { world, room, where } = this;
    const { stack } = world;
    const config = stack.config();
    while (!world.over) {
      let connection;
      try {
        connection = await mysql.createConnection({ socketPath: stack.file(config.db_socket), user: config.db_user,
          password: config.db_password, database: config.db_name, charset: 'utf8mb4' });
        connection.on('error', () => {});
        while (!world.over) {
          const [rows] = await connection.query(`SELECT seq, kind, content FROM message
            WHERE conversation = (SELECT id FROM conversation WHERE public_id = ?) ORDER BY seq DESC LIMIT 30`, [room]);
          for (const { seq, kind, content } of rows) {
            if (kind !== 1 || this.seen.get(seq) === content) continue;
            this.seen.set(seq, content);
            world.record({ ev: 'saw', room, seq: Number(seq), text: content, where });
          }
        }
      } catch {
        await pause(5); // it is being killed
      } finally {
        connection?.destroy();
      }
    }
  }
}

/** Asks for the history again and again. */
class Rereader extends Page {
  takeHistory(rows) {
    super.takeHistory(rows.filter((row) => row.seq > (this.last ?? 0) - 50));
    setTimeout(() => this.ws.readyState === 1 && this.askHistory(), 30);
  }
}

async function kill(world, times) {
  const { stack } = world;
  for (let n = 0; n < times; n++) {
    await pause(world.dice.between(100, 700)); // of talk
    await stack.kill('mariadb', 'KILL');
    await startAgain(stack, 'mariadb');
    const acks = () => world.history.filter(({ what }) => what === 'ack').length;
    const before = acks();
    if (!(await world.until(() => acks() > before + 5))) world.wrong('nobody can say anything after a kill');
    world.record({ ev: 'fault', name: 'MariaDB killed' });
  }
}

async function round(stack, { seed, name, times }) {
  const world = new World(stack, seed, name);
  const poster = ['poster', (at, nick) => new Poster(world, at, nick), talks];
  const native = ['native', (at, nick) => new Native(world, at, nick), talks];
  const poller = ['poller', (at, nick) => new Poller(world, at, nick, 0)];
  const people = await gather(world, 'young', [poster, poster, poster, poster, native, native, native, poller, poller,
    poller, ['patient', (at, nick) => new Poller(world, at, nick, 20)],
    ['events', (at, nick) => new Events(world, at, nick)], ['frame', (at, nick) => new Frame(world, at, nick)],
    ['page', (at, nick) => new Page(world, at, nick)], ['history', (at, nick) => new Rereader(world, at, nick)]]);
  for (const person of people) if (person.listens) person.start();
  await allConnected(world, people.filter((person) => person.listens), 'at first');
  const readers = ['sql', 'sql too'].map((where) => new SqlReader(world, people[0].room, where).run());
  for (const person of people) if (person.talks) person.talk(5);
  await kill(world, times);
  world.talking = false;
  await Promise.all(people.map((person) => person.talking));
  const staying = people.filter((person) => person.listens);
  await allConnected(world, staying, 'afterwards');
  await lastWords(world, people);
  const rows = await caughtUp(world, staying);
  world.closed = false;
  for (const person of staying) world.record({ ev: 'end', reader: person.name, room: person.room });
  for (const { counter, transfer, ...row } of rows) world.record({ ev: 'row', ...row });
  world.over = world.closed = true;
  await Promise.all([...readers, ...staying.map((person) => person.stop())]);
  const epochs = await stack.relayMetric('epochs_total');
  return { history: world.history,
    violations: [...check(world.history), ...(epochs ? [`wrong: ${epochs} times a relay found messages lost`] : [])] };
}

/** Kills MariaDB `count` times; the number of violations. mariadb: arguments, to see what happens without its settings. */
export async function kills({ count, seed, out, say, mariadb = [] }) {
  let bad = 0;
  for (let done = 0; done < count && !bad; done += EACH) {
    const stack = await Stack.start({ relays: 2, settings: SETTINGS });
    try {
      if (mariadb.length) {
        const start = stack.startPart.bind(stack);
        stack.startPart = (part) => start(part, ...(part === 'mariadb' ? mariadb : []));
        await stack.stopPart('mariadb');
        await stack.startPart('mariadb');
      }
      const { history, violations } = await round(stack,
        { seed: seed + done, name: `d${done}`, times: Math.min(EACH, count - done) });
      const { messages, acknowledged, deliveries, resets } = figures(history);
      const saw = history.filter(({ ev }) => ev === 'saw').length;
      say(`${Math.min(done + EACH, count)} kills: ${messages} messages, ${acknowledged} acknowledged, ` +
        `${deliveries} deliveries, ${saw} rows seen by SQL, ${resets} resets`);
      bad += violations.length;
      if (violations.length) {
        const file = path.join(out, `history-durable-${seed}-${done}.jsonl`);
        fs.mkdirSync(out, { recursive: true });
        fs.writeFileSync(file, history.map((line) => JSON.stringify(line)).join('\n'));
        say(`${violations.length} violations, the history is ${file}\n${violations.slice(0, 20).join('\n')}`);
      }
    } finally {
      await stack.remove();
    }
  }
  return bad;
}
