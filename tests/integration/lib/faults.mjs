// A transport for the client library on which things go wrong at random moments: it cuts, freezes, drops the answers to what
// the server stored, refuses to open, or holds frames back for a while.

const chance = (share) => Math.random() < share;
const pick = (list) => list[Math.floor(Math.random() * list.length)];

export class Faults {
  /** share: of frames at which something happens. */
  share = 0;
  counts = { cut: 0, freeze: 0, deaf: 0, late: 0, refuse: 0 };

  get count() {
    return Object.values(this.counts).reduce((sum, count) => sum + count);
  }

  over(inner) {
    return { ...inner, open: (address, protocol, handlers) => this.open(inner, address, protocol, handlers) };
  }

  open(inner, address, protocol, { opened, message, closed }) {
    let mode = 'well', socket, late = Promise.resolve();
    const end = (code, reason) => {
      if (mode !== 'over') closed(code, reason);
      mode = 'over';
    };
    if (chance(this.share)) {
      this.counts.refuse++;
      setTimeout(() => end(1006, ''));
      return { send() {}, close() {} };
    }
    const cut = () => {
      socket.close(true);
      end(1006, '');
    };
    const perhaps = () => {
      if (mode !== 'well' || !chance(this.share)) return;
      const fault = pick(['cut', 'cut', 'freeze', 'deaf', 'late']);
      this.counts[fault]++;
      if (fault === 'cut') cut();
      else if (fault === 'late') late = new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      else mode = fault;
      // the server hears what it is sent, and all of its answers are lost
      if (fault === 'deaf') setTimeout(cut, Math.random() * 100);
    };
    /** In order, after what is held back; `late` is looked at when a frame's turn comes. */
    const chain = (act) => {
      let turn = Promise.resolve();
      return (value) => {
        turn = turn.then(() => late).then(() => act(value));
      };
    };
    const hear = chain((text) => {
      perhaps(); // in its turn: what came before it was heard
      if (mode === 'well') message(text);
    });
    const say = chain((text) => {
      if (chance(0.5)) perhaps(); // before it, or after it
      if (mode === 'well' || mode === 'deaf') socket.send(text);
      perhaps();
    });
    socket = inner.open(address, protocol, {
      opened: () => mode === 'well' && opened(),
      message: hear,
      closed: end,
    });
    return {
      send: say,
      close(isDead) {
        mode = 'over';
        socket.close(isDead);
      },
    };
  }
}
