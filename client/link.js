// link.js: one connection, again and again. It owns the socket, hello, back-off, the watch for dead networks, and a seat for
// each conversation that is listened to, with the number of the last event that came. It knows nothing of promises,
// outboxes or tabs: whoever uses it posts up, and is told down, in plain objects that another tab can send as well.
//
//   up    {t:'ask', n, cmd, fields}, {t:'seat', room, cursor?, presence}, {t:'unseat', room}, {t:'wake'}
//   down  {t:'state', …}, {t:'answer', n, answer}, {t:'lost', n, sent}, {t:'seated', room, …}, {t:'unseated', room, error},
//         {t:'event', frame}
import { bytesOf, endOf } from './util.js';

const AT_ONCE = 12; // commands on their way: the server looks up 16 for one connection
const RESUME_MAX = 100; // that one hello may name
const STEADY_MS = 5000; // so long a connection has to last before its end counts as the first one
const TIMER_MAX = 2 ** 31 - 1;
const FINAL = new Set([1002, 1003, 1007, 1008, 1009]);

/** Refusals after which the same command may be carried out a moment later. */
export const isPassing = ({ code }) => code === 'busy' || code === 'unavailable' || code === 'rate';

/**
 * options: {address, transport, who, timeout_ms, backoff_ms, backoff_max_ms}. `who(fresh)` gives a promise of {token} or
 * {user}, or of nothing: signed out. down(to, message); `to` undefined: everybody.
 */
export function makeLink(options, down) {
  const { address, transport, who, timeout_ms, backoff_ms, backoff_max_ms } = options;
  const seats = new Map(); // by every name that was used; two names may have one seat
  const asked = new Map(); // by id, the oldest first: {at, done}
  let queue = [];
  let told = { t: 'state', state: 'connecting' };
  let turn = 0, ids = 0, fails = 0, refused = 0; // turn: what belongs to an earlier connection is void
  let socket, limits, ping, heard, opened, fresh, watching, retry, renewal;

  const is = (state) => told.state === state;
  const allSeats = () => [...new Set(seats.values())];
  const seatOf = (ch) => allSeats().find((seat) => seat.ch === ch);

  function say(state, more) {
    told = { t: 'state', state, ...more };
    down(undefined, told);
  }

  // ---- the connection ----

  async function dial() {
    const mine = ++turn;
    clearTimeout(retry);
    heard = Date.now();
    say('connecting');
    watch();
    let me;
    try {
      me = await who(fresh);
    } catch (error) {
      if (mine === turn) cut(0, 'token', String(error?.message ?? error));
      return;
    }
    if (mine !== turn) return;
    if (!me) return end('signed_out');
    fresh = false;
    const ours = (act) => (...args) => mine === turn && act(...args);
    try {
      socket = transport.open(address, 'chaguan.v1', { opened: ours(() => greet(me)), message: ours(receive), closed: ours(cut) });
    } catch (error) {
      cut(0, 'transport', String(error?.message ?? error));
    }
  }

  function greet(me) {
    const resumed = allSeats().slice(0, RESUME_MAX);
    const resume = resumed.map(({ room, cursor, presence }) => ({ room, ...cursor, ...(presence && { presence }) }));
    request('hello', { ...me, beat: true, resume }, ({ ok, error, ...welcome }) => {
      if (!ok) return greeted(error);
      opened = Date.now();
      refused = 0;
      ping = welcome.ping_ms;
      limits = welcome.limits;
      resumed.forEach((seat, i) => {
        if (seats.get(seat.room) === seat) joined(seat, welcome.joined[i]);
        else request('leave', { room: seat.room }, () => {}); // nobody listens any more
      });
      say('open', { welcome: { user: welcome.user, uid: welcome.uid, id: welcome.id, epoch: welcome.epoch, limits } });
      for (const seat of allSeats()) join(seat);
      if (me.token) renewAt(endOf(me.token));
      watch();
    });
  }

  /** Why hello was refused. A token's refusal is followed by 4401, which says it again. */
  function greeted({ code, message, retry_after_ms }) {
    if (isPassing({ code })) cut(1013, code, message, retry_after_ms);
    else if (code === 'unauthorized') cut(4401, code, message);
    else if (!code.startsWith('token_')) end(code, message);
  }

  /** The connection ended, or is taken to have. The old socket's own end is not waited for: it may never come. */
  function cut(code, reason, message, least_ms = 1000) {
    const lose = letGo(true);
    if (opened && Date.now() - opened > STEADY_MS) fails = 0;
    opened = undefined;
    const why = reason || String(code);
    if (FINAL.has(code) && !/^(No hello|Too many)/.test(reason)) return end(why, message, lose);
    let wait_ms = Math.random() * Math.min(backoff_max_ms, backoff_ms * 2 ** fails);
    if (code === 1012 && !fails) wait_ms = 0;
    if (code === 1013) wait_ms += least_ms;
    if (code === 4401) {
      fresh = true;
      if (!refused++) wait_ms = 0;
    }
    fails = Math.min(fails + 1, 30);
    retry = setTimeout(dial, wait_ms);
    say('waiting', { why, message, until: Date.now() + wait_ms });
    lose();
  }

  /** Returns what tells of the commands that were lost: to be called once it was said that there is no connection. */
  function letGo(isDead) {
    turn++;
    for (const timer of [watching, retry, renewal]) clearTimeout(timer);
    const old = socket;
    socket = undefined;
    const lost = [...asked.values()];
    const unsent = queue;
    asked.clear();
    queue = [];
    for (const seat of allSeats()) seat.joined = seat.joining = false;
    try {
      old?.close(isDead);
    } catch {
      // it never opened
    }
    return () => {
      for (const { lose } of lost) lose?.(true);
      for (const { lose } of unsent) lose?.(false);
    };
  }

  function end(why, message, lose = letGo(false)) {
    say('closed', { why, message });
    lose();
  }

  /** Ends a connection that is silent, or owes an answer, for too long. Looks again when that may be so first. */
  function watch() {
    clearTimeout(watching);
    const [oldest] = asked.values();
    const due = Math.min(heard + (is('open') ? 2 * ping : timeout_ms), (oldest?.at ?? Infinity) + timeout_ms);
    if (Date.now() >= due) cut(0, 'silent');
    else watching = setTimeout(watch, Math.min(due - Date.now(), TIMER_MAX));
  }

  function renewAt(end_ms) {
    clearTimeout(renewal);
    const left_ms = end_ms - Date.now();
    if (left_ms < Infinity) renewal = setTimeout(renew, Math.max(0, Math.min(left_ms - Math.min(60_000, left_ms / 5), TIMER_MAX)));
  }

  /** If it fails, the connection ends with the old token, and the next one asks again. */
  async function renew() {
    const mine = turn;
    const me = await who(true).catch(() => undefined);
    if (me?.token && mine === turn)
      request('refresh', me, ({ ok, expires }) => ok && renewAt(expires));
  }

  // ---- commands ----

  /** done(answer), unless the connection ends first: then lose(sent). */
  function request(cmd, fields, done, lose) {
    queue.push({ cmd, fields, done, lose });
    pump();
  }

  function pump() {
    while (socket && queue.length && asked.size < AT_ONCE) {
      const { cmd, fields, done, lose } = queue.shift(), id = ++ids;
      const text = JSON.stringify({ id, cmd, ...fields });
      if (limits && bytesOf(text) > limits.message_bytes) {
        done({ ok: false, error: { code: 'too_big', message: `more than ${limits.message_bytes} bytes` } });
        continue;
      }
      asked.set(id, { at: Date.now(), done, lose });
      if (asked.size === 1) watch();
      try {
        socket.send(text);
      } catch {
        cut(0, 'transport'); // it was counted as sent, and may have been
      }
    }
  }

  function receive(text) {
    let frame;
    heard = Date.now();
    try {
      frame = JSON.parse(text);
    } catch {
      return cut(0, 'bad_frame');
    }
    const ask = asked.get(frame.re);
    if (ask) {
      asked.delete(frame.re);
      ask.done(frame);
      pump();
    } else if (frame.ev) {
      hear(frame);
    }
  }

  function hear(frame) {
    const seat = seatOf(frame.ch);
    if (seat && frame.epoch) seat.cursor = { epoch: frame.epoch, seq: frame.seq };
    if (seat && frame.ev === 'read') seat.read = Math.max(seat.read, frame.seq);
    if (seat && frame.ev === 'kicked') forget(seat);
    down(undefined, { t: 'event', frame });
  }

  // ---- seats ----

  function join(seat) {
    if (!is('open') || seat.joined || seat.joining) return;
    seat.joining = true;
    const { room, cursor, presence } = seat;
    request('join', { room, ...cursor, ...(presence && { presence }) }, (answer) => {
      seat.joining = false;
      if (seats.get(room) === seat) joined(seat, answer);
    });
  }

  /** `answer`: of join, or hello's of one conversation. Events come from the seat's cursor on. */
  function joined(seat, answer) {
    const { error, ch, epoch, seq, read, missed, trimmed } = answer;
    if (error && isPassing(error)) {
      const mine = turn;
      setTimeout(() => mine === turn && seats.get(seat.room) === seat && join(seat), error.retry_after_ms ?? 1000);
    } else if (error) {
      forget(seat);
      for (const name of seat.names) down(undefined, { t: 'unseated', room: name, ch: seat.ch, error });
    } else {
      const other = seatOf(ch);
      if (other && other !== seat) { // the same conversation by its other name
        for (const name of seat.names) seats.set(name, other.names.add(name) && other);
        for (const one of seat.who) other.who.add(one);
        if (other.joined) for (const name of seat.names) tell(undefined, name, other);
        return;
      }
      if (missed === undefined) seat.cursor = { epoch, seq };
      Object.assign(seat, { ch, joined: true, seq, read, trimmed });
      for (const name of seat.names) tell(undefined, name, seat);
    }
  }

  function tell(to, room, { ch, cursor, seq, read, trimmed = 0 }) {
    down(to, { t: 'seated', room, ch, epoch: cursor.epoch, from: cursor.seq, seq: Math.max(seq, cursor.seq), read, trimmed });
  }

  function forget(seat) {
    for (const name of seat.names) seats.delete(name);
    seat.who.clear();
  }

  function sit(from, { room, cursor, presence }) {
    let seat = seats.get(room);
    if (!seat) seats.set(room, seat = { room, names: new Set([room]), who: new Set(), cursor, presence: false });
    seat.who.add(`${from} ${room}`);
    if (presence && !seat.presence) {
      seat.presence = true;
      if (seat.joined || seat.joining) request('leave', { room: seat.room }, () => {}); // joining again would change nothing
      seat.joined = seat.joining = false;
    }
    if (seat.joined) tell(from, room, seat);
    else join(seat);
  }

  function rise(from, room) {
    const seat = seats.get(room);
    if (!seat?.who.delete(`${from} ${room}`) || seat.who.size) return;
    if (seat.joined || seat.joining) request('leave', { room: seat.room }, () => {});
    forget(seat);
  }

  dial();
  return {
    post(from, message) {
      const { t, n, cmd, fields, room } = message;
      if (t === 'ask' && is('open'))
        request(cmd, fields, (answer) => down(from, { t: 'answer', n, answer }), (sent) => down(from, { t: 'lost', n, sent }));
      else if (t === 'ask') down(from, { t: 'lost', n, sent: false });
      else if (t === 'seat') sit(from, message);
      else if (t === 'unseat') rise(from, room);
      else if (t === 'state') down(from, told);
      else if (t === 'wake' && is('open')) watch();
      else if (t === 'wake' && !is('connecting')) dial();
    },
    /** A tab is no more. */
    drop(from) {
      for (const name of [...seats.keys()]) rise(from, name);
    },
    close: () => end('closed'),
  };
}
