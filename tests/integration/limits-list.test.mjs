// docs/design/limits.md lists every shared queue, table and buffer. It is compared with what there is: settings that are
// bounds, constants, gauges, and the maps and rate tables that the source declares.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { bin, top } from './lib/stack.mjs';

const page = fs.readFileSync(path.join(top, 'docs/design/limits.md'), 'utf8');
const rows = page.split('\n').filter((line) => /^\| (?!What \| Where|---)/.test(line))
  .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
const named = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
const sources = ['relay', 'rest', 'worker', 'common'].flatMap(function files(dir) {
  return fs.readdirSync(path.join(top, dir), { withFileTypes: true }).flatMap((entry) => {
    const inside = path.join(dir, entry.name);
    return entry.isDirectory() ? files(inside) : /\.[ch]$/.test(entry.name) ? [inside] : [];
  });
});
const source = Object.fromEntries(sources.map((file) => [file, fs.readFileSync(path.join(top, file), 'utf8')]));
const all = Object.values(source).join('\n');
const settings = new Set(['chaguan-relay', 'chaguan-rest', 'chaguan-worker'].flatMap((program) => {
  const { stdout, status } = spawnSync(path.join(bin, program), ['--print-config'], { encoding: 'utf8' });
  assert.equal(status, 0, program);
  return [...stdout.matchAll(/^(?:# )?([a-z_]+) = /gm)].map(([, name]) => name);
}));
const metrics = new Map([...all.matchAll(/X\([A-Z_]+, "([a-z_]+)", (counter|gauge|histogram),/g)]
  .map(([, name, type]) => [name, type]));

/** Settings that look like a bound and are none of a shared thing; each with its reason. */
const NO_BOUND = {
  max_name_chars: 'the length of one name', send_chunk_bytes: 'the size of one write',
};
/** Gauges that show no queue, table or buffer. */
const NO_QUEUE = ['db_up', 'db_writable', 'db_address', 'redis_up', 'redis_servers_up', 'rooms_ahead'];

describe('the list of limits', () => {
  it('has seven cells in every row, and none of them is empty', () => {
    assert.ok(rows.length > 30, `${rows.length} rows`);
    for (const row of rows) {
      assert.equal(row.length, 7, row.join(' | '));
      assert.ok(row.every(Boolean), row.join(' | '));
    }
  });

  it('names only settings, constants and counters that exist', () => {
    for (const [what, , , , bound, , metric] of rows) {
      for (const name of named(bound)) {
        if (/^[A-Z]/.test(name)) assert.match(all, new RegExp(`\\b${name}\\b *=|#define ${name}\\b`), `${what}: ${name}`);
        else assert.ok(settings.has(name), `${what}: no setting ${name}`);
      }
      for (const name of named(metric)) assert.ok(metrics.has(name), `${what}: no metric ${name}`);
    }
  });

  it('has every setting that is a bound', () => {
    const bounds = [...settings].filter((name) => /(^|_)(max|queue|quota|backlog|limit|burst|rate)(_|$)/.test(name)
      || /_bytes$/.test(name));
    assert.ok(bounds.length > 20);
    const listed = new Set(rows.flatMap(([, , , , bound]) => named(bound)));
    assert.deepEqual(bounds.filter((name) => !listed.has(name) && !(name in NO_BOUND)), []);
  });

  it('has every gauge', () => {
    const gauges = [...metrics].filter(([, type]) => type === 'gauge').map(([name]) => name);
    const listed = new Set(rows.flatMap((row) => named(row[6])));
    assert.deepEqual(gauges.filter((name) => !listed.has(name) && !NO_QUEUE.includes(name)), []);
  });

  it('has every map and rate table that a structure holds', () => {
    const listed = new Set(rows.flatMap((row) => named(row[1])).map((name) => name.split('.').at(-1)));
    const missing = [];
    for (const [file, text] of Object.entries(source)) {
      for (const [, names] of text.matchAll(/^ {4}struct (?:map|rate_table) ([a-z_, ]+);/gm))
        for (const name of names.split(/, */))
          if (!listed.has(name) && file !== 'common/rate.h') missing.push(`${file}: ${name}`);
    }
    assert.deepEqual(missing, []);
  });
});
