// tabs.js: several tabs of one user share one connection. Whoever holds the lock leads: it has the link, and the others
// post to it over a BroadcastChannel. When the leader goes, however it goes, the next one gets the lock and opens a
// connection with the cursors of all of them.
import { hold, letGo, whenGone } from './locks.js';
import { randomId } from './util.js';

/** makeLink(down) begins a link. down(message) as link.js tells it, and {t:'anew'}: another leads, so what was posted and not
 *  answered is lost, and seats have to be taken again. */
export function makeShared(name, makeLink, down) {
  const channel = new BroadcastChannel(name), me = randomId();
  const known = new Set();
  let link, leader, closed = false;

  function tell(to, message) {
    if (closed) return; // the others have another leader in a moment
    if (to !== me) channel.postMessage({ to, down: message });
    if (to === undefined || to === me) down(message);
  }

  function follow(id) {
    if (leader === id) return;
    leader = id;
    down({ t: 'anew' });
  }

  function lead() {
    link = makeLink(tell);
    channel.postMessage({ lead: me });
    follow(me);
  }

  /** The first that is heard of a tab: its end is waited for, so that its seats are not kept for ever. */
  function meet(from) {
    if (known.has(from)) return;
    known.add(from);
    whenGone(name, from, () => link?.drop(from));
  }

  channel.onmessage = ({ data: { to, from, up, down: message, lead: id } }) => {
    if (closed || (to !== undefined && to !== me)) return;
    if (up && link) {
      meet(from);
      if (up.t === 'who') channel.postMessage({ to: from, lead: me });
      link.post(from, up.t === 'who' ? { t: 'state' } : up);
    } else if (id) {
      follow(id);
      if (to === undefined) post({ t: 'state' });
    } else if (message && leader) {
      down(message);
    }
  };

  function post(message) {
    if (link) link.post(me, message);
    else channel.postMessage({ to: leader, from: me, up: message });
  }

  hold(name, me).then(() => {
    if (closed) return letGo(name, me);
    channel.postMessage({ from: me, up: { t: 'who' } });
    hold(name, 'leader').then(() => closed ? letGo(name, 'leader') : lead());
  });
  return {
    post,
    get leads() {
      return Boolean(link);
    },
    close() {
      closed = true;
      link?.close();
      letGo(name, 'leader');
      letGo(name, me);
      channel.close();
    },
  };
}
