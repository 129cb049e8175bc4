// The friend chat: a connection of one of two friends. Nothing is acknowledged; what was missed is asked for over REST.
import { UNANSWERED } from '../checker.mjs';
import { Client } from '../world.mjs';

const PAGE = 50;

export class Friend extends Client {
  constructor(world, pair, self, other, name) {
    super(world, name, pair);
    Object.assign(this, { self, other });
  }

  session() {
    const ws = this.world.dial(`/ws/${this.self.userId}`);
    this.ws = ws;
    return this.live(ws, {
      open: () => {
        this.opened(undefined, { skips: this.self.name });
        this.catchUp();
      },
      message: (event) => this.take(event),
    });
  }

  putBack() {
    this.lost();
    this.whole = 0;
  }

  take(event) {
    if (event.type === 'error') {
      const { code, clientId } = event;
      if (clientId) // nothing else will be heard of it: it is not there, unless that is what is not known
        this.world.record({ ev: 'answer', by: this.name, text: clientId.replaceAll('.', ' '), why: code,
          what: code === 'unknown' ? 'unknown' : 'refused', final: code !== 'unknown' || undefined });
      else this.world.wrong(`${this.name}: ${code} about no frame`);
      return;
    }
    const gap = this.last === undefined || event.seq > this.last + 1;
    this.had(event.seq, event.content);
    if (gap) this.catchUp(); // perhaps only what it said itself
  }

  /** Everything after what it has had in one piece. */
  async catchUp() {
    if (this.reading) return;
    this.reading = true;
    for (let rows = [], after = this.whole ?? 0; !this.closing; after = rows.at(-1)?.seq ?? after) {
      const path = `/api/friends/${this.room}/messages?userId=${this.self.userId}&after=${after}&limit=${PAGE}`;
      const answer = await this.world.call(path).catch(() => undefined);
      if (answer?.status !== 200) {
        await this.world.jitter(3);
        continue;
      }
      rows = answer.json.data;
      for (const row of rows) if (row.from !== this.self.userId) this.had(row.seq, row.content, 'history');
      this.whole = rows.at(-1)?.seq ?? after;
      this.last = Math.max(this.last ?? 0, this.whole);
      if (rows.length < PAGE) break;
    }
    this.reading = false;
  }

  async say(text) {
    this.ws.send(JSON.stringify({ friend: this.room, from: this.self.userId, to: this.other.userId, content: text,
      type: 'text', clientId: text.replaceAll(' ', '.') }));
    return { what: 'unknown', why: UNANSWERED };
  }
}
