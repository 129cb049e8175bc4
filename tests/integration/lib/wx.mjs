// What a mini program calls, as far as the articles' programs do: one socket, the last handler of each kind counts, files
// by a temporary path. `files`: what the person chooses, by path.
import WebSocket from 'ws';
import { request } from './http.mjs';
import { form } from './uploads.mjs';

export function makeWx(stack, { files = {} } = {}) {
  const storage = new Map(), handlers = {};
  let socket;
  const on = (kind) => (handler) => {
    handlers[kind] = handler;
  };
  const chosen = (kind) => Object.keys(files).find((name) => name.includes(kind));
  const wx = {
    getStorageSync: (key) => storage.get(key) ?? '',
    setStorageSync: (key, value) => storage.set(key, value),
    connectSocket({ url, header = {}, success, fail }) {
      socket = new WebSocket(url, { headers: header, perMessageDeflate: false });
      wx.socket = socket;
      stack.atEnd(() => socket.terminate());
      success?.({ errMsg: 'connectSocket:ok' });
      socket.on('open', () => handlers.open?.({}));
      socket.on('message', (data) => handlers.message?.({ data: data.toString() }));
      socket.on('error', (error) => (handlers.error ?? fail)?.({ errMsg: error.message }));
      socket.on('close', (code, reason) => handlers.close?.({ code, reason: reason.toString() }));
    },
    onSocketOpen: on('open'),
    onSocketMessage: on('message'),
    onSocketError: on('error'),
    onSocketClose: on('close'),
    sendSocketMessage: ({ data }) => socket.send(data),
    closeSocket: () => socket.close(),
    chooseImage: ({ success }) => success({ tempFilePaths: [chosen('image')] }),
    chooseVideo: ({ success }) => success({ tempFilePath: chosen('video') }),
    async uploadFile({ url, filePath, name, success }) {
      const { headers, body } = form([{ name, filename: filePath.split('/').at(-1), type: 'image/jpeg',
        bytes: files[filePath] }]);
      const answer = await request(url, { method: 'POST', headers, body });
      success({ statusCode: answer.status, data: answer.text });
    },
    showToast: ({ title }) => handlers.toast?.(title),
    onToast: on('toast'),
  };
  return wx;
}

/** What a mini program of today calls: a task for each socket and each upload, and a storage of its own. No global of a
 *  browser or of Node is needed beside it. */
export function makeMiniProgram(stack, { files = {} } = {}) {
  const storage = new Map();
  const task = (start) => {
    const handlers = {};
    const on = (kind) => (handler) => {
      handlers[kind] = handler;
    };
    const tell = (kind, value) => handlers[kind]?.(value);
    return Object.assign(start(tell), { onOpen: on('open'), onMessage: on('message'), onError: on('error'), onClose: on('close'),
      onProgressUpdate: on('progress') });
  };
  const sockets = [];
  return {
    sockets, storage,
    connectSocket: ({ url, protocols, success, fail }) => task((tell) => {
      const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
      sockets.push(socket);
      stack.atEnd(() => socket.terminate());
      success?.({ errMsg: 'connectSocket:ok' });
      socket.on('open', () => tell('open', { header: {} }));
      socket.on('message', (data) => tell('message', { data: data.toString() }));
      socket.on('error', (error) => tell('error', { errMsg: error.message }));
      socket.on('close', (code, reason) => tell('close', { code, reason: reason.toString() }));
      return {
        send({ data, fail: failed }) {
          if (socket.readyState === WebSocket.OPEN) socket.send(data);
          else (failed ?? fail)?.({ errMsg: 'sendSocketMessage:fail WebSocket is not connected' });
        },
        close: ({ code, reason } = {}) => socket.close(code, reason),
      };
    }),
    uploadFile: ({ url, filePath, name, header, success, fail }) => task((tell) => {
      let aborted = false;
      const { headers, body } = form([{ name, filename: filePath.split('/').at(-1), bytes: files[filePath] }]);
      request(url, { method: 'POST', headers: { ...headers, ...header }, body }).then((answer) => {
        if (aborted) return fail({ errMsg: 'uploadFile:fail abort' });
        tell('progress', { progress: 100, totalBytesSent: body.length, totalBytesExpectedToSend: body.length });
        success({ statusCode: answer.status, data: answer.text });
      }, (error) => fail({ errMsg: error.message }));
      return { abort: () => { aborted = true; } };
    }),
    getStorageInfoSync: () => ({ keys: [...storage.keys()] }),
    getStorageSync: (key) => storage.get(key) ?? '',
    setStorageSync: (key, value) => void storage.set(key, value),
    removeStorageSync: (key) => void storage.delete(key),
  };
}
