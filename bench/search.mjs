// How quick the search is, and how large its index: a private Chaguan, so many messages of Chinese and English in its database,
// the worker's index built from nothing, and then questions over HTTP, one after the other, of a database and an index that
// stay in this machine's memory as far as they fit.
//
//   node bench/search.mjs BUILD [--messages 1000000] [--questions 200] [--docs DIR] [--dir DIR] [--until loaded|indexed]
//   node bench/search.mjs --draw DIR
//
// With --dir the messages and the index are kept there, and what was done before is not done again: --until ends after that
// step, and the same call without it goes on from there, perhaps on another day and a machine that has nothing else to do.
// `CHAGUAN_RUN=DIR deploy/run.sh clean` deletes them.
//
// With --docs the figures are put with those of other numbers of messages into DIR/search-figures.json, and the plots and the
// table of DIR/search.md are made of them; --draw only makes these once more.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { barChart } from './svg.mjs';

const top = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals: [build] } = parseArgs({ allowPositionals: true, options: {
  messages: { type: 'string', default: '1000000' }, questions: { type: 'string', default: '200' }, docs: { type: 'string' }, draw: { type: 'string' },
  dir: { type: 'string' }, until: { type: 'string' } } });
const messages = Number(values.messages), questions = Number(values.questions);
const CONVERSATIONS = Math.max(100, Math.round(messages / 500)), WORDS = 30_000, YEAR_MS = 365 * 86_400_000;
const BASE = 1_000_000; // above what a start makes
const dir = values.dir || !build ? path.resolve(values.dir ?? '.') : fs.mkdtempSync(path.join(os.tmpdir(), 'cg-search-'));
const kept = path.join(dir, 'bench.json'); // what was done: { messages, samples, built }
const env = { ...process.env, CHAGUAN_RUN: dir, PORT: String(20_000 + process.pid % 10_000), RELAYS: '1', WORKERS: '1', ROUND_TRIP: '0',
  CG_BIN: path.resolve(build ?? 'build'), SETTINGS: 'search=on rate_key=0 rate_search=0 feed_lease_ms=60s' };
const script = (...args) => execFileSync(path.join(top, 'deploy/run.sh'), args, { env, stdio: ['ignore', 'pipe', 'inherit'] }).toString();
const chaguan = (...args) => execFileSync(path.join(env.CG_BIN, 'chaguan'), ['--config', path.join(dir, 'chaguan.conf'), ...args],
  { stdio: ['ignore', 'pipe', 'ignore'] }).toString();

// ---- what is said: the same each time ----

let state = 12345;
const random = () => { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const below = (n) => Math.floor(random() * n);
/** Of `n`, the k-th 1/k as often as the first. */
const zipf = (n) => Math.min(n - 1, Math.floor(Math.exp(random() * Math.log(n + 1))) - 1);
const syllables = ['ba', 'de', 'fi', 'go', 'lu', 'ma', 'ne', 'pi', 'ro', 'su', 'ta', 've', 'wi', 'zo', 'cha', 'sti'];
const english = Array.from({ length: WORDS }, (_, i) => { // shorter ones are more common
  let word = syllables[i % 16];
  for (let rest = Math.floor(i / 16) + 1; rest; rest = Math.floor(rest / 16)) word += syllables[rest % 16];
  return word;
});
const chinese = Array.from({ length: WORDS }, () => String.fromCodePoint(0x4e00 + zipf(3000) * 6, 0x4e00 + zipf(3000) * 6));
function text() {
  const isChinese = random() < 0.5, count = 3 + below(13);
  const words = Array.from({ length: count }, () => (isChinese ? chinese : english)[zipf(WORDS)]);
  return isChinese ? words.join('') : words.join(' ');
}

async function load() {
  const client = spawn(path.join(top, 'deploy/run.sh'), ['sql'], { env, stdio: ['pipe', 'ignore', 'inherit'] });
  const write = (sql) => client.stdin.write(sql) || new Promise((resolve) => client.stdin.once('drain', resolve));
  const samples = [];
  await write('SET GLOBAL innodb_buffer_pool_size = 1 << 30; SET GLOBAL innodb_flush_log_at_trx_commit = 0;\n'); // until it ends
  await write('SET NAMES utf8mb4, sql_log_bin = 0, foreign_key_checks = 0, unique_checks = 0, autocommit = 0, time_zone = "+00:00";\n');
  for (const [id, member] of [[BASE + 1, 'some'], [BASE + 2, 'many']])
    await write(`INSERT INTO user (id, public_id, realm, name, created_at) VALUES (${id}, 'user_${id}', 5, '${member}', UTC_TIMESTAMP(3));
      INSERT INTO app_user (user, name, changed_at) VALUES (${id}, '${member}', UTC_TIMESTAMP(3));\n`);
  const start = Date.now() - YEAR_MS;
  const mean = messages / CONVERSATIONS;
  let said = 0;
  for (let c = 1; c <= CONVERSATIONS; c++) {
    const left = messages - said;
    const count = c === CONVERSATIONS ? left : Math.min(left, Math.floor(mean * 0.4 / Math.sqrt(random() + 0.001)));
    await write(`INSERT INTO conversation (id, public_id, kind, name, seq, created_at) VALUES (${BASE + c}, 'conv_${c}', 6, 'c${c}', ${count}, UTC_TIMESTAMP(3));
      INSERT INTO app_conversation (conversation, type, changed_at) VALUES (${BASE + c}, 1, UTC_TIMESTAMP(3));\n`);
    if (c % 37 === 0 && c / 37 <= 20) await write(`INSERT INTO member (conversation, user, joined_at) VALUES (${BASE + c}, ${BASE + 1}, UTC_TIMESTAMP(3));\n`);
    if (c % 4 === 0 && c / 4 <= 500) await write(`INSERT INTO member (conversation, user, joined_at) VALUES (${BASE + c}, ${BASE + 2}, UTC_TIMESTAMP(3));\n`);
    const times = Array.from({ length: count }, () => start + random() * YEAR_MS).sort((a, b) => a - b);
    for (let at = 0; at < count; at += 1000) {
      const rows = [];
      for (let seq = at + 1; seq <= Math.min(count, at + 1000); seq++) {
        const content = text();
        if (random() < 2000 / messages) samples.push({ conversation: c, content });
        rows.push(`(${BASE + c},${seq},NULL,1,1,'system','${content}',FROM_UNIXTIME(${(times[seq - 1] / 1000).toFixed(3)}))`);
      }
      await write(`INSERT INTO message (conversation, seq, sender, batch_id, kind, sender_name, content, created_at) VALUES ${rows.join(',')};\n`);
    }
    if (c % 50 === 0 || c === CONVERSATIONS) await write('COMMIT;\n');
    said += count;
  }
  client.stdin.end();
  const code = await new Promise((resolve) => client.once('close', resolve));
  if (code) throw new Error('the messages could not be loaded');
  return samples;
}

// ---- building, asking ----

const status = () => Object.fromEntries([...chaguan('search', 'status').matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function index() {
  chaguan('search', 'rebuild');
  const begun = Date.now();
  for (let now = { building: 1, messages: 0 }; now.building || !now.messages; now = status()) await pause(500);
  const seconds = (Date.now() - begun) / 1000;
  const indexed = status().messages;
  return { indexed, seconds, perSecond: Math.round(indexed / seconds) };
}

/** Once all is there its parts are merged into one: until the worker has nothing to do. */
async function merged() {
  const ticks = () => {
    const stat = fs.readFileSync(`/proc/${fs.readFileSync(path.join(dir, 'worker1.pid'), 'utf8').trim()}/stat`, 'utf8').split(') ')[1].split(' ');
    return Number(stat[11]) + Number(stat[12]); // of 10 ms each
  };
  for (let before = -1000, now = ticks(); now - before > 10; now = ticks()) {
    before = now;
    await pause(3000);
  }
  const { messages: indexed, bytes } = status();
  return { bytes, bytesEach: Math.round(bytes / indexed) };
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
function ask(key, parameters) {
  const query = new URLSearchParams(parameters);
  return new Promise((resolve, reject) => {
    const begun = process.hrtime.bigint();
    http.get(`http://127.0.0.1:${env.PORT}/v1/search?${query}`, { agent, headers: { authorization: `Bearer ${key}` } }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part) => { body += part; }).on('end', () => {
        if (answer.statusCode !== 200) return reject(new Error(`${answer.statusCode} ${body}`));
        const { items, complete } = JSON.parse(body);
        resolve({ ms: Number(process.hrtime.bigint() - begun) / 1e6, hits: items.length, complete });
      });
    }).on('error', reject);
  });
}

function classes(samples) {
  const of = (isChinese) => samples.filter(({ content }) => /[\u4e00-\u9fff]/.test(content) === isChinese);
  const [zh, en] = [of(true), of(false)];
  const pick = (list) => list[below(list.length)];
  const part = (content, length) => { const at = below(Math.max(1, content.length - length)); return content.slice(at, at + length); };
  return {
    'a common English word': () => ({ q: english[below(50)] }),
    'a rare English word': () => ({ q: english[WORDS - 1 - below(5000)] }),
    'two English words of a message': () => { const words = pick(en).content.split(' '); return { q: `${pick(words)} ${pick(words)}` }; },
    'a common and a rare word': () => ({ q: `${english[below(20)]} ${english[WORDS - 1 - below(5000)]}` }),
    'one Chinese character': () => ({ q: part(pick(zh).content, 1) }),
    'two Chinese characters': () => ({ q: part(pick(zh).content, 2) }),
    'four Chinese characters': () => ({ q: part(pick(zh).content, 4) }),
    [NEVER]: () => ({ q: `${english[below(20)]} ${chinese[below(20)]}` }),
    'a common word in one conversation': () => ({ q: english[below(50)], conversation: `c${pick(en).conversation}` }),
    'a common word, a user of 20 conversations': () => ({ q: english[below(50)], user: 'some' }),
    'a word, a user of 20 conversations': () => ({ q: english[500 + below(500)], user: 'some' }),
    'a word, a user of 500 conversations': () => ({ q: english[500 + below(500)], user: 'many' }),
  };
}

function save(done) {
  fs.writeFileSync(`${kept}.new`, JSON.stringify(done));
  fs.renameSync(`${kept}.new`, kept);
}

const loads = () => `load average ${os.loadavg().map((n) => n.toFixed(1)).join(' ')}`;

/** Makes what is not there yet; null if --until says that this was all. */
async function prepare() {
  const done = fs.existsSync(kept) ? JSON.parse(fs.readFileSync(kept)) : {};
  if (done.messages && done.messages !== messages) throw new Error(`${dir} has ${done.messages} messages`);
  if (!done.messages) {
    const begun = Date.now();
    done.samples = await load();
    done.messages = messages;
    save(done);
    script('down'); // with the load's settings of the database
    script('up');
    console.error(`loaded ${messages} messages in ${Math.round((Date.now() - begun) / 1000)} s; ${loads()}`);
  }
  if (values.until === 'loaded') return null;
  if (!done.built) {
    done.built = await index();
    save(done);
  }
  if (!done.built.bytes) {
    Object.assign(done.built, await merged());
    save(done);
    console.error(`index: ${JSON.stringify(done.built)}; ${loads()}`);
  }
  return values.until === 'indexed' ? null : done;
}

async function questionsOf({ samples, built }) {
  state = 54321;
  const key = chaguan('key', 'add', `bench${Date.now()}`, '--scope', 'read').trim();
  const results = {}, everything = [];
  await merged(); // it may have been ended before that
  console.log('| what is asked for | p50 ms | p99 ms | longest | answered in part | hits |\n|---|---|---|---|---|---|');
  const show = (name, answers) => {
    const times = answers.map(({ ms }) => ms).sort((a, b) => a - b), at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
    results[name] = { p50: at(0.5), p99: at(0.99), max: times.at(-1), cut: answers.filter(({ complete }) => !complete).length,
      hits: answers.reduce((sum, { hits }) => sum + hits, 0) / answers.length };
    const { p50, p99, max, cut, hits } = results[name];
    console.log(`| ${name} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${max.toFixed(1)} | ${cut} | ${hits.toFixed(1)} |`);
  };
  for (const [name, make] of Object.entries(classes(samples))) {
    const answers = [];
    for (let i = 0; i < questions; i++) answers.push({ ...await ask(key, make()), kind: name });
    everything.push(...answers);
    show(name, answers);
  }
  show(FOUND, everything.filter(({ kind }) => kind !== NEVER));
  show(ALL, everything);
  if (values.docs) record(values.docs, { messages, questions, built, results, load: Number(os.loadavg()[0].toFixed(1)) });
}

// ---- docs ----

const NEVER = 'a common word of each language, never together', ALL = 'all of them', FOUND = 'all but the last';
const BEGIN = '<!-- written by bench/search.mjs: begin -->', END = '<!-- written by bench/search.mjs: end -->';
const figuresOf = (docs) => path.join(docs, 'search-figures.json');
const short = (n) => (n >= 1e6 ? `${n / 1e6} million` : n.toLocaleString('en'));
const ms = (n) => (n < 10 ? n.toFixed(1) : Math.round(n).toString());

function record(docs, run) {
  const file = figuresOf(docs);
  const others = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)).filter((other) => other.messages !== run.messages) : [];
  fs.writeFileSync(file, `${JSON.stringify([...others, run].sort((a, b) => a.messages - b.messages), null, 1)}\n`);
  drawDocs(docs);
}

function drawDocs(docs) {
  const runs = JSON.parse(fs.readFileSync(figuresOf(docs)));
  const names = Object.keys(runs.at(-1).results).filter((name) => ![NEVER, ALL, FOUND].includes(name)).concat(FOUND);
  fs.writeFileSync(path.join(docs, 'search-times.svg'), barChart({ title: 'Searching, by the number of messages', axis: 'milliseconds, logarithmic',
    log: true, mark: { value: 50, text: '50 ms' }, legend: [['ours', 'median'], ['peer', '99 %']],
    groups: names.map((name) => ({ name, bars: runs.flatMap(({ messages: count, results }) => [
      { label: `${short(count)}`, value: results[name].p50, kind: 'ours', text: ms(results[name].p50) },
      { label: '', value: results[name].p99, kind: 'peer', text: ms(results[name].p99) }]) })) }));
  fs.writeFileSync(path.join(docs, 'search-size.svg'), barChart({ title: 'The index', axis: 'MB', legend: [['ours', 'its size once its parts are merged']],
    groups: [{ bars: runs.map(({ messages: count, built }) => ({ label: `${short(count)}`, value: built.bytes / 1e6, kind: 'ours',
      text: `${Math.round(built.bytes / 1e6).toLocaleString('en')}, ${built.bytesEach} B each` })) }] }));
  const last = runs.at(-1);
  const rows = [...names.slice(0, -1), NEVER, FOUND].filter((name) => last.results[name]).map((name) => `| ${name} | `
    + runs.map(({ results }) => (results[name] ? `${ms(results[name].p50)} / ${ms(results[name].p99)}` : '')).join(' | ')
    + ` | ${last.results[name].cut} | ${last.results[name].hits.toFixed(0)} |`);
  const table = [`| median / 99 %, in ms | ${runs.map(({ messages: count }) => short(count)).join(' | ')} | answered in part | hits |`,
    `|---|${'---|'.repeat(runs.length + 2)}`, ...rows,
    `| the index, MB (bytes a message) | ${runs.map(({ built }) => `${Math.round(built.bytes / 1e6)} (${built.bytesEach})`).join(' | ')} | | |`,
    `| messages a second, while it is made | ${runs.map(({ built }) => built.perSecond.toLocaleString('en')).join(' | ')} | | |`,
    `| load average while it was asked | ${runs.map(({ load: average }) => average).join(' | ')} | | |`].join('\n');
  const file = path.join(docs, 'search.md'), text = fs.readFileSync(file, 'utf8');
  const [before, rest] = text.split(BEGIN), after = rest.split(END)[1];
  fs.writeFileSync(file, `${before}${BEGIN}\n${table}\n${END}${after}`);
}

if (values.draw) {
  drawDocs(values.draw);
  process.exit(0);
}
if (!build) {
  console.error('usage: node bench/search.mjs BUILD [--messages N] [--questions N] [--docs DIR] [--dir DIR] [--until loaded|indexed]');
  process.exit(2);
}
try {
  script('up');
  const done = await prepare();
  if (done) await questionsOf(done);
} finally {
  script(values.dir ? 'down' : 'clean');
  if (!values.dir) fs.rmSync(dir, { recursive: true, force: true });
}
