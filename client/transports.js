// transports.js: how bytes go: a socket with open(address, protocol, {opened, message, closed}) → {send, close}, and an
// upload(address, {file, name, token, onprogress, signal}) → promise of {status, text}.
import { ChaguanError } from './util.js';

const failed = (message) => new ChaguanError('network', message, { unknown: true });
const aborted = () => new ChaguanError('aborted');

/** For browsers and Node. `Socket`: the browser's WebSocket, that of `ws`, or another with the browser's interface. */
export function webTransport(Socket = globalThis.WebSocket) {
  if (!Socket) throw new ChaguanError('transport', 'there is no WebSocket here: give webTransport one, such as that of ws');
  return {
    open(address, protocol, { opened, message, closed }) {
      const socket = new Socket(address, protocol);
      socket.onopen = () => opened();
      socket.onmessage = ({ data }) => message(typeof data === 'string' ? data : String(data));
      socket.onerror = () => {}; // its end follows
      socket.onclose = ({ code, reason }) => closed(code, reason);
      return { send: (text) => socket.send(text), close: (isDead) => (isDead && socket.terminate ? socket.terminate() : socket.close(1000)) };
    },
    upload: (...args) => (globalThis.XMLHttpRequest ? uploadXhr : uploadFetch)(...args),
  };
}

function uploadXhr(address, { file, name, token, onprogress, signal }) {
  return new Promise((resolve, reject) => {
    const form = new FormData(), xhr = new XMLHttpRequest();
    if (signal?.aborted) return reject(aborted());
    signal?.addEventListener('abort', () => xhr.abort());
    form.append('file', file, name);
    xhr.open('POST', address);
    if (token) xhr.setRequestHeader('Authorization', `Bearer ${token}`);
    xhr.upload.onprogress = ({ loaded, total }) => onprogress?.({ sent: loaded, total });
    xhr.onload = () => resolve({ status: xhr.status, text: xhr.responseText });
    xhr.onerror = () => reject(failed('the upload was cut off'));
    xhr.onabort = () => reject(aborted());
    xhr.send(form);
  });
}

/** Node's: the form is written by hand, so that it is seen how much of it has gone. */
async function uploadFetch(address, { file, name, token, onprogress, signal }) {
  const boundary = `chaguan-${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name.replace(/["\r\n]/g, encodeURIComponent)}"\r\n` +
    `Content-Type: ${file.type || 'application/octet-stream'}\r\n\r\n`;
  const form = new Blob([head, file, `\r\n--${boundary}--\r\n`]);
  const reader = form.stream().getReader();
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value);
      onprogress?.({ sent: sent += value.length, total: form.size });
    },
  });
  try {
    const answer = await fetch(address, { method: 'POST', body, duplex: 'half', signal,
      headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}`, ...(token && { Authorization: `Bearer ${token}` }) } });
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    throw signal?.aborted ? aborted() : failed(String(error?.cause?.message ?? error.message));
  }
}

/** For mini programs; a file is the path of a temporary file. */
export function wxTransport(wx) {
  return {
    open(url, protocol, { opened, message, closed }) {
      let over = false;
      const end = (code, reason) => {
        if (!over) closed(code, reason);
        over = true;
      };
      const task = wx.connectSocket({ url, protocols: [protocol], fail: ({ errMsg }) => end(1006, errMsg) });
      task.onOpen(() => opened());
      task.onMessage(({ data }) => message(data));
      task.onError(({ errMsg }) => end(1006, errMsg));
      task.onClose(({ code, reason }) => end(code, reason));
      return { send: (data) => task.send({ data, fail: ({ errMsg }) => end(1006, errMsg) }), close: () => task.close({ code: 1000 }) };
    },
    upload: (url, { file, token, onprogress, signal }) => new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      const task = wx.uploadFile({ url, filePath: file, name: 'file', header: token ? { Authorization: `Bearer ${token}` } : {},
        success: ({ statusCode, data }) => resolve({ status: statusCode, text: data }),
        fail: ({ errMsg }) => reject(signal?.aborted ? aborted() : failed(errMsg)) });
      task.onProgressUpdate(({ totalBytesSent, totalBytesExpectedToSend }) =>
        onprogress?.({ sent: totalBytesSent, total: totalBytesExpectedToSend }));
      signal?.addEventListener('abort', () => task.abort());
    }),
  };
}
