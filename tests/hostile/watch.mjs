// What a server's processes are while an attack goes on: that they live, what memory and descriptors they hold, and whether
// what an attack filled is empty again afterwards.
import fs from 'node:fs';
import { request } from '../integration/lib/http.mjs';

const MIB = 1024 * 1024;

/** The most memory that each program may hold, whatever is done to it, in bytes. docs/design/limits.md says why. */
export const MEMORY_MAX = { relay: 512 * MIB, rest: 384 * MIB, redis: 256 * MIB, nginx: 256 * MIB };
/** The most that nginx may keep in temporary files. */
export const SPOOL_MAX = 256 * MIB;

const read = (path) => {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const children = (pid) => read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
const rss = (pid) => Number(read(`/proc/${pid}/status`).match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? 0) * 1024;
const descriptors = (pid) => {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
};

/** Bytes in files that a process has open and that stand below `dir` or have no name any more. */
function spooled(pid, dir) {
  let sum = 0;
  for (const fd of fs.existsSync(`/proc/${pid}/fd`) ? fs.readdirSync(`/proc/${pid}/fd`) : []) {
    try {
      const path = fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
      if (path.startsWith(dir) && /_temp\/|\(deleted\)$/.test(path)) sum += fs.statSync(`/proc/${pid}/fd/${fd}`).size;
    } catch {
      // closed meanwhile
    }
  }
  return sum;
}

/** Gauges that an attack may fill and that are to be as before soon after it. */
const GAUGES = ['connections', 'http_connections', 'outbox_bytes', 'db_pool_queued', 'journal_queued'];

/** nginx keeps connections to relays and to the REST process open, as many as the site file says to each. */
const SLACK = { descriptors: 160, http_connections: 140, connections: 24, outbox_bytes: 65536, db_pool_queued: 24,
  journal_queued: 24 };

export class Watch {
  constructor(stack) {
    this.stack = stack;
    this.parts = ['redis', 'rest', 'nginx', ...Array.from({ length: stack.relays }, (_, i) => `relay${i + 1}`)];
    this.pids = Object.fromEntries(this.parts.map((part) => [part, stack.pid(part)]));
    this.most = {};
  }

  kind(part) {
    return part.replace(/\d+$/, '');
  }

  /** nginx is a master and its workers. */
  all(part) {
    const pid = this.pids[part];
    return part === 'nginx' ? [pid, ...children(pid)] : [pid];
  }

  sample() {
    for (const part of this.parts) {
      const pids = this.all(part);
      const bytes = pids.reduce((sum, pid) => sum + rss(pid), 0);
      this.most[this.kind(part)] = Math.max(this.most[this.kind(part)] ?? 0, bytes);
    }
    this.mostSpooled = Math.max(this.mostSpooled ?? 0,
      this.all('nginx').reduce((sum, pid) => sum + spooled(pid, this.stack.dir), 0));
  }

  begin() {
    this.most = {};
    this.mostSpooled = 0;
    this.timer = setInterval(() => this.sample(), 200);
  }

  end() {
    clearInterval(this.timer);
    this.sample();
    return { most: this.most, spooled: this.mostSpooled };
  }

  /** The parts that are no longer the process that they were. */
  gone() {
    return this.parts.filter((part) => {
      try {
        return this.stack.pid(part) !== this.pids[part] || !fs.existsSync(`/proc/${this.pids[part]}`);
      } catch {
        return true;
      }
    });
  }

  /** What is held now, as one flat record. */
  async base() {
    const held = {};
    for (const part of this.parts)
      held[`${part} descriptors`] = this.all(part).reduce((sum, pid) => sum + descriptors(pid), 0);
    for (let n = 1; n <= this.stack.relays; n++) {
      const { text } = await request(`http://127.0.0.1:${this.stack.relayPort(n)}/metrics`);
      for (const gauge of GAUGES)
        held[`relay${n} ${gauge}`] = Number(text.match(new RegExp(`^chaguan_${gauge}(?:\\{[^}]*\\})? (\\S+)$`, 'm'))?.[1] ?? 0);
    }
    return held;
  }

  /** What is still above `before`, but for what stays of honest clients and for the connections that nginx keeps. */
  async above(before) {
    const now = await this.base();
    return Object.keys(before).filter((what) => now[what] > before[what] + SLACK[what.split(' ')[1]])
      .map((what) => `${what}: ${now[what]} instead of ${before[what]}`);
  }
}
