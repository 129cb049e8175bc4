// The chatroom over plain HTTP: a poller, Server-Sent Events, the iframe's stream; and who says something by POST.
import { Client, NOT_DONE } from '../world.mjs';

class Listener extends Client {
  constructor(world, seat, name) {
    super(world, name, seat.roomId);
    this.seat = seat;
  }

  path(verb, query = {}) {
    return `/rooms/${this.seat.roomId}/${verb}?${new URLSearchParams({ nickId: this.seat.nickId, ...query })}`;
  }

  /** The server says where the reader stands: at first, or because its place is void. */
  stand(seq, reset) {
    if (reset) this.lost();
    if (this.last !== undefined) return;
    this.last = seq;
    this.opened(seq);
  }
}

/** wait: seconds that a poll may be held; 0 asks again and again. */
export class Poller extends Listener {
  constructor(world, seat, name, wait) {
    super(world, seat, name);
    this.wait = wait;
  }

  async session() {
    const cut = new Promise((resolve, reject) => {
      this.cut = () => reject(new Error('goes'));
    });
    cut.catch(() => {});
    while (!this.closing) await Promise.race([this.poll(), cut]);
  }

  async poll() {
    const { world, last } = this;
    const place = { after: last ?? 0, ...(this.epoch && { epoch: this.epoch }) };
    const { status, json } = await world.call(this.path('poll', { wait: this.wait, ...place }),
      { port: world.port(), ms: (this.wait + 8) * 1000 });
    if (this.closing) return;
    if (status !== 200) throw new Error(`answered with ${status}`);
    if (json.reset) this.lost();
    this.epoch = json.epoch;
    if (!this.connected || json.reset) this.opened(json.reset ? json.next : last ?? 0); // a reset says where it stands now
    for (const event of json.events) this.had(event.seq, event.data.log_content);
    if (json.events.length && json.next < this.last)
      world.wrong(`${this.name}: next is ${json.next} after ${this.last}`);
    this.last = json.next;
    if (!this.wait) await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

export class Events extends Listener {
  session() {
    let text = '';
    return this.world.stream(this.path('events'), {
      headers: this.id ? { 'Last-Event-ID': this.id } : {},
      opened: (cut) => {
        this.cutBy(cut);
        this.members = undefined;
        if (this.last !== undefined) this.opened(this.last);
      },
      take: (part) => {
        const events = (text + part).split('\n\n');
        text = events.pop();
        for (const event of events) this.take(event);
      },
    });
  }

  take(event) {
    const fields = Object.fromEntries(event.split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]));
    if (fields.id) this.id = fields.id;
    const seq = Number(fields.id?.split('-')[1]);
    if (fields.event === 'message') this.had(seq, JSON.parse(fields.data).log_content);
    else if (fields.event === 'members') this.members = JSON.parse(fields.data).map((member) => member.user_name);
    else if (fields.id) this.stand(seq, fields.event === 'reset');
  }
}

export class Frame extends Listener {
  session() {
    let text = '';
    const resume = this.last === undefined ? {} : { after: `${this.epoch}-${this.last}` };
    return this.world.stream(this.path('stream', { callback: 'on', ...resume }), {
      opened: (cut) => {
        this.cutBy(cut);
        this.members = undefined;
        if (this.last !== undefined) this.opened(this.last);
      },
      take: (part) => {
        const scripts = (text + part).split('</script>\n');
        text = scripts.pop();
        for (const script of scripts) this.take(JSON.parse(script.slice(script.indexOf('parent.on(') + 10, -1)));
      },
    });
  }

  take({ seq, type, data }) {
    if (type === 'message') this.had(seq, data.log_content);
    else if (type === 'members') this.members = data.map((member) => member.user_name);
    else {
      this.epoch = data.epoch;
      this.stand(seq, type === 'reset');
    }
  }
}

/** Says things with a client id of its own, on whatever relay, until it knows what became of each. */
export class Poster extends Listener {
  connected = true;
  retries = true;

  async say(text, clientId) {
    const { world } = this;
    try {
      const ms = 500 + Math.floor(Math.random() * 4000); // no patience: the second try meets the first
      const { status, json } = await world.call(`/rooms/${this.room}/send`,
        { port: world.port(), ms, body: { nickId: this.seat.nickId, content: text, clientId } });
      if (status === 200 && json?.success) return { what: 'ack', seq: json.data.seq };
      return { what: NOT_DONE.includes(status) ? 'refused' : 'unknown', why: `${status} ${json?.code}` };
    } catch (error) {
      return { what: 'unknown', why: error.code ?? error.message };
    }
  }
}
